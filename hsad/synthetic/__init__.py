"""Georeferenced synthetic scenes, physically plausible, with targets of known place and material.

``spectra``   reflectances of ground and target materials, as formulas over 400-2500 nm
``fields``    correlated random fields: mixtures, relief, illumination
``targets``   shapes and places of the targets
``implants``  the same shapes implanted into a real scene, whose noise stays
``sensor``    sun, atmosphere, bands, noise, stripes and smile
``imaging``   ground and light to stored numbers, and the cube of them
``scene``     all of it put together
``pair``      two dates of one place
``products``  a scene as the product of a satellite
"""

from hsad.synthetic.pair import SyntheticPair, make_pair
from hsad.synthetic.products import make_enmap
from hsad.synthetic.scene import SyntheticScene, make_scene
from hsad.synthetic.targets import Target

__all__ = ["SyntheticPair", "SyntheticScene", "Target", "make_enmap", "make_pair", "make_scene"]
