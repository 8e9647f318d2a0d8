"""Judges a report of Autobahn's test suite by what the protocol of NeonChat has: see docs/TESTING.md."""

import json
import re
import sys

CASES = 301

# By the id of a case: why it is judged otherwise than by an echo, and (behavior, behaviorClose, remoteCloseCode) then,
# None for any.
EXCEPTIONS = [
    (r"1\.2\.|9\.2\.1$|9\.8\.", "binary: not echoed, and the connection stays", (None, "OK", 1000)),
    (r"9\.[12]\.[2-6]$|9\.[3-6]\.", "more than 64 KiB: refused", (None, None, 1009)),
    (r"7\.1\.6$", "more than 64 KiB, for information", ("INFORMATIONAL", "INFORMATIONAL", 1009)),
    (r"7\.13\.", "for information", ("INFORMATIONAL", "INFORMATIONAL", 1002)),
    (r"6\.4\.[34]$", "UTF-8 is looked at when the frame is there", ("NON-STRICT", "OK", 1007)),
]
STRICT = ("as the suite has it", ("OK", "OK", None))


def expectation(case):
    for pattern, why, expected in EXCEPTIONS:
        if re.match(pattern, case):
            return why, expected
    return STRICT


def main(path):
    with open(path) as report:
        (results,) = json.load(report).values()
    counts, failed = {}, 0
    for case, result in sorted(results.items()):
        why, expected = expectation(case)
        got = (result["behavior"], result["behaviorClose"], result["remoteCloseCode"])
        if all(want in (None, have) for want, have in zip(expected, got)):
            counts[why] = counts.get(why, 0) + 1
        else:
            failed += 1
            print("case %s: %s, where %s was expected (%s)" % (case, got, expected, why))
    for why, count in sorted(counts.items()):
        print("%4d %s" % (count, why))
    print("%d passed, %d failed" % (len(results) - failed, failed))
    if len(results) != CASES:
        sys.exit("%d cases were run, and there are %d" % (len(results), CASES))
    sys.exit(failed > 0)


main(*sys.argv[1:])
