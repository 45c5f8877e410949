"""A scene from a seed: physically plausible, georeferenced, with targets whose place and make are known.

``spectra``   reflectances of ground and target materials, as formulas over 400-2500 nm
``fields``    correlated random fields: mixtures, relief, illumination
``targets``   shapes and places of the implanted targets
``implants``  the same shapes implanted into a scene that is given, each pixel with its own noise
``sensor``    sun, atmosphere, bands, noise, stripes and smile
``scene``     puts them together
"""

from hsad.synthetic.scene import SyntheticScene, make_scene
from hsad.synthetic.targets import Target

__all__ = ["SyntheticScene", "Target", "make_scene"]
