"""A strict reader of LEEF, written from IBM's "QRadar LEEF format guide" and from nothing of this repository.

Reads lines from standard input and writes for each one line of JSON: {"version", "header", "attributes"}, or {"error"}
with what the guide does not allow. It needs Python alone.
"""

import ipaddress
import json
import re
import sys
from datetime import datetime

# The predefined attributes whose form the guide fixes, with that form.
LONGEST = {"usrName": 255, "identHostName": 255, "accountName": 255, "vSrcName": 255}
ADDRESSES = {"src", "dst", "srcPreNAT", "dstPreNAT", "srcPostNAT", "dstPostNAT", "identSrc", "vSrc"}
PORTS = {"srcPort", "dstPort", "srcPreNATPort", "dstPreNATPort", "srcPostNATPort", "dstPostNATPort"}
NUMBERS = {"srcBytes", "dstBytes", "srcPackets", "dstPackets", "totalPackets"}
NEED_IDENT_SRC = {"identHostName", "identNetBios", "identGrpName", "identMAC"}
KEY = re.compile(r"[A-Za-z][A-Za-z0-9]*")


class NotLeef(Exception):
    """What the guide does not allow."""


def delimiter_of(field):
    """A single character, or `x` or `0x` and up to four hex digits; nothing for a TAB."""
    if field == "":
        return "\t"
    if len(field) == 1:
        return field
    digits = re.fullmatch(r"(?:0x|x)([0-9A-Fa-f]{1,4})", field)
    if not digits:
        raise NotLeef(f"{field!r} is no delimiter")
    return chr(int(digits.group(1), 16))


def header_and_rest(line):
    if line.startswith("LEEF:1.0|"):
        fields = line.split("|", 5)
        if len(fields) != 6:
            raise NotLeef("a header of LEEF 1.0 has five fields")
        return "1.0", fields[1:5], "\t", fields[5]
    if line.startswith("LEEF:2.0|"):
        fields = line.split("|", 6)
        if len(fields) != 7:
            raise NotLeef("a header of LEEF 2.0 has six fields")
        return "2.0", fields[1:5], delimiter_of(fields[5]), fields[6]
    raise NotLeef("the line begins with neither LEEF:1.0| nor LEEF:2.0|")


def attributes_of(text, delimiter):
    attributes = {}
    for part in text.split(delimiter):
        key, equals, value = part.partition("=")
        if not equals:
            raise NotLeef(f"{part!r} is no attribute")
        if not KEY.fullmatch(key):
            raise NotLeef(f"{key!r} is no key: keys are single words")
        if key in attributes:
            raise NotLeef(f"{key!r} stands twice")
        if value == "":
            raise NotLeef(f"{key!r} has no value")
        attributes[key] = value
    return attributes


def java_time(text, layout):
    """Reads a time by the three layouts that the guide suggests."""
    known = {
        "MMM dd yyyy HH:mm:ss": "%b %d %Y %H:%M:%S",
        "MMM dd yyyy HH:mm:ss.SSS": "%b %d %Y %H:%M:%S.%f",
        "MMM dd yyyy HH:mm:ss.SSS z": "%b %d %Y %H:%M:%S.%f %Z",
        "MMM dd yyyy HH:mm:ss.SSS zzz": "%b %d %Y %H:%M:%S.%f %Z",
    }
    if layout not in known:
        raise NotLeef(f"{layout!r} is none of the guide's layouts")
    return datetime.strptime(text, known[layout])


def check(attributes):
    for key, value in attributes.items():
        if len(value) > LONGEST.get(key, len(value)):
            raise NotLeef(f"{key!r} is longer than {LONGEST[key]} characters")
        if key in ADDRESSES:
            ipaddress.ip_address(value)
        if key in PORTS and not 0 <= int(value) <= 65535:
            raise NotLeef(f"{key!r} is no port")
        if key in NUMBERS:
            int(value)
        if key in NEED_IDENT_SRC and "identSrc" not in attributes:
            raise NotLeef(f"{key!r} stands without identSrc")
    if "sev" in attributes and not (attributes["sev"].isdigit() and 1 <= int(attributes["sev"]) <= 10):
        raise NotLeef("sev is a number from 1 to 10")
    if "devTime" in attributes:
        if "devTimeFormat" in attributes:
            java_time(attributes["devTime"], attributes["devTimeFormat"])
        elif not re.fullmatch(r"\d{10}|\d{13}", attributes["devTime"]):
            raise NotLeef("devTime without devTimeFormat is an epoch")


def read(line):
    text = line.decode("utf-8")
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
        raise NotLeef("there is a control character")
    version, header, delimiter, rest = header_and_rest(text)
    if any(field == "" for field in header):
        raise NotLeef("a field of the header is empty")
    if len(header[3]) > 255:
        raise NotLeef("the event id is longer than 255 characters")
    attributes = attributes_of(rest, delimiter)
    check(attributes)
    return {"version": version, "header": header, "attributes": attributes}


def main():
    for line in sys.stdin.buffer.read().split(b"\n"):
        if not line:
            continue
        try:
            answer = read(line)
        except (NotLeef, ValueError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
