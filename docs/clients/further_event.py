"""Adds a further type of event to an OpenAPI document, as a later version will: stdin to stdout."""

import copy
import json
import sys

document = json.load(sys.stdin)
schemas = document["components"]["schemas"]
schemas["FurtherEventType"] = {"type": "string", "enum": ["further"]}
event = schemas["FurtherEvent"] = copy.deepcopy(schemas["MessageEvent"])
event["properties"]["type"] = {"$ref": "#/components/schemas/FurtherEventType"}
reference = "#/components/schemas/FurtherEvent"
schemas["Event"]["oneOf"].append({"$ref": reference})
schemas["Event"]["discriminator"]["mapping"]["further"] = reference
json.dump(document, sys.stdout)
