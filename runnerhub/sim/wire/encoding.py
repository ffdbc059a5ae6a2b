"""JSON as the engine writes it."""

import json

encode = json.JSONEncoder(separators=(",", ":")).encode
