"""Reads lines of RFC 5424 with syslog-rfc5424-parser and compares each with what it should say.

The file that the first argument names holds cases of seven texts, each with its length in bytes and a space before it:
the line, its severity, host, application, message id, tenant in structured data ("" for none) and message.
"""

import re
import sys

from syslog_rfc5424_parser import SyslogMessage

RECORD_ID = "000102030405060708090a0bfcfdfeff"


def texts(data):
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        end = space + 1 + int(data[at:space])
        yield data[space + 1 : end].decode("utf-8")
        at = end


def said(message):
    """What a parsed message says, in the order of a case."""
    element = message.sd.get("atp@32473", {})
    # The parser leaves values escaped.
    tenant = re.sub(r'\\(["\\\]])', r"\1", element.get("tenant", ""))
    return (message.severity.name, message.hostname, message.appname, message.msgid or "-", tenant, message.msg or "")


def check(line, expected):
    message = SyslogMessage.parse(line)
    found = said(message)
    if found != expected:
        raise ValueError(f"found {found!r} instead of {expected!r}")
    if (message.version, message.facility.name, message.procid) != (1, "local4", None):
        raise ValueError("version, facility or process id are others")
    if message.timestamp != "2026-11-01T00:05:09.123Z":
        raise ValueError(f"time is {message.timestamp}")
    if message.sd and message.sd["atp@32473"]["recordId"] != RECORD_ID:
        raise ValueError("record id is another")


def main():
    with open(sys.argv[1], "rb") as file:
        fields = list(texts(file.read()))
    count = 0
    for line, *expected in zip(*[iter(fields)] * 7, strict=True):
        try:
            check(line, tuple(expected))
        except Exception as error:
            sys.exit(f"{error}: {line!r}")
        count += 1
    print(f"{count} lines")


main()
