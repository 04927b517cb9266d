"""Switches the lamp "Kitchen" of a Hue bridge with phue, and prints all lamps.

usage: switch.py ADDRESS USERNAME
"""

import sys

from phue import Bridge

address, username = sys.argv[1:]
# phue keeps what it knows in a file; here it is told everything, and keeps nothing.
bridge = Bridge(address, username=username, config_file_path="/dev/null")
kitchen = bridge.get_light_objects("name")["Kitchen"]
kitchen.on = True
kitchen.brightness = 200
print(", ".join(f"{light.name} on={light.on} bri={light.brightness}" for light in bridge.lights))
