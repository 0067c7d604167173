"""CPU time per session and peak memory against the number of client identities."""

from measuring import sweep
from measuring.place import place
from measuring.servers import Setting

TITLE = "Identities"
X, UNIT = "x", "identities"
COUNTS, QUICK = [1, 10, 100, 500, 1000], [1, 10]
SESSIONS, QUICK_SESSIONS = 6000, 500


def measure(options):
    points = []
    sessions = QUICK_SESSIONS if options.quick else SESSIONS
    counts = QUICK if options.quick else COUNTS
    with place(clients=max(counts)) as here, here.serving(Setting("mtls", "1.3", False)) as server:
        for count in counts:
            path = here.work / "identities.toml"
            path.write_text(scenario(here, server, count, sessions))
            words = here.client(server, auth="file")
            words[words.index("run") + 1] = str(path)
            points.append(sweep.point(count, *here.run(words), expected=sessions))
            print(f"identities: {points[-1]}", flush=True)
    return points


def scenario(here, server, count, sessions):
    identities = "".join(
        f'[[identities]]\nname = "c{number}"\ncert = "{here.pki}/client-{number}.pem"\nkey = "{here.pki}/client-{number}.key"\n'
        for number in range(count)
    )
    return f"""version = 1
name = "identities"
[target]
url = "https://localhost:{server.port}/"
[load]
sessions = 8
total = {sessions}
[matrix]
tls = ["1.3"]
{identities}"""


def text(points):
    return sweep.text(points, "identities", "Full mTLS 1.3 sessions, 8 at once, dealt out evenly among the identities.")
