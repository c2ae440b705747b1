"""Hands lines of CEF from standard input to cefp, and writes what it makes of each as one line of JSON."""

import json
import sys

import cefp

for line in sys.stdin.buffer.read().split(b"\n"):
    if line:
        try:
            print(json.dumps(cefp.parse(line.decode("utf-8"))))
        except ValueError as error:
            print(json.dumps({"error": str(error)}))
