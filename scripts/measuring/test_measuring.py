"""What the measuring scripts read and work out, on outputs that were captured: python3 -m unittest, by scripts/test."""

import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import costs  # noqa: E402
import peers  # noqa: E402
from measuring import chart, figures, floor, process, servers, tables  # noqa: E402

# The parts of what each tool prints that are read.
OUTPUTS = {
    "oha": ('{"summary": {"successRate": 1.0}, "statusCodeDistribution": {"200": 496, "400": 4}}', 496),
    "ab": ("Complete requests:      500\nFailed requests:        3\nNon-2xx responses:      3\n", 497),
    "wrk": ("  414 requests in 1.09s, 58.62KB read\n  Non-2xx or 3xx responses: 14\n", 400),
    "h2load": ("requests: 500 total, 500 done\nstatus codes: 499 2xx, 0 3xx, 1 4xx, 0 5xx\n", 499),
    "hey": ("Status code distribution:\n  [200]\t496 responses\n  [400]\t1 responses\n", 496),
    "s_time": ("380 connections in 0.14s; 2700 connections/user sec\n378 connections in 2 real seconds, 145 bytes\n", 378),
}
OURS = {"shakedown", "shakedown-graviola", "shakedown-hybrid", "shakedown-once"}
NGINX = """\
200 TLSv1.3 TLS_AES_256_GCM_SHA384 X25519 SUCCESS reused=. sdn="CN=a" uri=/
200 TLSv1.3 TLS_AES_256_GCM_SHA384 X25519 SUCCESS reused=r sdn="CN=a" uri=/
400 TLSv1.3 TLS_AES_256_GCM_SHA384 X25519 NONE reused=r sdn="-" uri=/
"""
HAPROXY = """\
200 TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 - cert=1 verify=0 reused=1 sdn="/CN=a" uri=/ ci=127.0.0.1 rt=0
- TLSv1.2 - - verify=20 error="x" ci=127.0.0.1 rt=1
"""


def measured(**run):
    """A kind with one round of shakedown and of oha, which used twice the CPU time."""
    base = {
        "round": 1, "counted": 100, "own_us": 380.0, "cpu_ms": 40.0, "client_us": 400.0, "per_s": 1000.0,
        "server_us": 300.0, "peak_mib": 12.0, "accepted": 100, "resumed": 100, "negotiated": "TLSv1.3 SUITE X25519",
    }
    return {
        "kind": {"server": "nginx", "auth": "mtls", "version": "1.3", "resumed": True},
        "runs": [{**base, "tool": "shakedown"}, {**base, "tool": "oha", "client_us": 800.0, **run}],
        "startups": {}, "failed": {},
        "floors": [{"round": 1, "memory_client_us": 275.0, "tcp_client_us": 45.0,
                    "tcp_alone_client_us": 60.0, "tcp_alone_server_us": 60.0,
                    "memory_server_us": 270.0, "tcp_server_us": 50.0, "whole_client_us": 352.0}],
    }


class Peers(unittest.TestCase):
    def setUp(self):
        self.peers = {peer.name: peer for peer in peers.all_peers()}

    def test_what_each_tool_counted_is_read(self):
        for name, (output, count) in OUTPUTS.items():
            self.assertEqual(self.peers[name].counted(None, output), count, name)

    def test_every_peer_has_a_captured_output_and_a_command_for_what_it_can(self):
        self.assertEqual({*OUTPUTS, *OURS}, set(self.peers))
        from peer import Job
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            for name in ("client-0.pem", "client-0.key", "ca.pem", "intermediate.pem"):
                (work / name).write_text("")
            for peer in self.peers.values():
                job = Job(8443, work, work, "mtls" if peer.mutual else "tls", "1.3", peer.resumes, 100, 1, 8)
                words = " ".join(map(str, peer.command(job)))
                self.assertTrue("localhost:8443" in words, words)
                self.assertEqual(peer.mutual, "client-0" in words or "both.pem" in words, words)

    def test_no_result_of_an_earlier_run_is_counted(self):
        from peer import Job
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            job = Job(8443, work, work, "tls", "1.3", False, 100, 1, 8)
            for name in OURS:
                (work / "result.json").write_text("{}")
                self.peers[name].command(job)
                with self.assertRaises(OSError):
                    self.peers[name].counted(job, "")

    def test_kinds_go_to_tools_that_can_do_them(self):
        kind = {"auth": "mtls", "version": "1.3", "resumed": False}
        able = {name for name, peer in self.peers.items() if peers.suits(peer, kind)}
        self.assertEqual(able, {*OURS, "oha", "ab", "s_time"})

    def test_a_row_says_what_the_server_saw(self):
        some = list(self.peers.values())
        text = tables.of_kind(measured(), some)
        self.assertIn("| oha | 800 | 2.00 |", text)
        self.assertIn("verifies the server's chain: oha, 2.00 × shakedown", text)
        self.assertIn("275 µs in memory + 45 µs of TCP (60 µs where it sleeps) = 320 µs", text)
        self.assertIn("both in the plainest program 352 µs", text)
        self.assertIn("shakedown / floor: **1.25** with the whole process", text)
        self.assertIn("worker / plainest program: 1.08.", text)
        short = tables.in_short([measured()], some)
        self.assertIn("| mTLS 1.3, resumed | oha 2.00 | 1.19 |", short)
        text = tables.of_kind(measured(resumed=3), some)
        self.assertIn("oha (made full handshakes)", text)
        self.assertNotIn("Cheapest", text)
        self.assertIn("oha (counted what the server refused)", tables.of_kind(measured(accepted=3, resumed=3), some))


class Servers(unittest.TestCase):
    def test_accepted_and_resumed_are_counted_from_logs(self):
        seen = servers.count("nginx", NGINX, 1.5)
        self.assertEqual((seen.accepted, seen.resumed, seen.cpu_s), (2, 1, 1.5))
        self.assertEqual(seen.negotiated, "TLSv1.3 TLS_AES_256_GCM_SHA384 X25519")
        seen = servers.count("haproxy", HAPROXY, 0)
        self.assertEqual((seen.accepted, seen.resumed), (1, 1))
        seen = servers.count_serve("accepted 1,010, handshakes 1,000 full and 8 resumed, 0 authenticated", 0)
        self.assertEqual((seen.accepted, seen.resumed), (1008, 8))

    def test_the_suite_of_the_floor_is_the_one_negotiated(self):
        self.assertEqual(
            floor.suite("TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 X25519", "1.2"),
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        )
        self.assertEqual(floor.suite("", "1.3"), "TLS_AES_256_GCM_SHA384")


class Processes(unittest.TestCase):
    def test_cpu_time_and_peak_memory_of_a_child_are_its_own(self):
        code = "x = bytearray(80 << 20)\nwhile __import__('time').process_time() < 0.2: pass\nprint('done')"
        with tempfile.TemporaryDirectory() as folder:
            used = process.run([sys.executable, "-c", code], core=min(__import__("os").sched_getaffinity(0)), cwd=folder)
        self.assertEqual((used.status, used.output), (0, "done\n"))
        self.assertGreaterEqual(used.cpu_s, 0.19)
        self.assertGreater(used.peak_kib, 80 << 10)

    def test_a_child_that_hangs_is_ended(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertLess(process.run(["sleep", "60"], cwd=folder, limit_s=0.2).status, 0)

    def test_a_group_is_read_whatever_its_command_is_called(self):
        line = "7 (a) b (c) S 1 5 5 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 99"
        self.assertEqual(process.parse_stat(line), (5, 200 / process.TICKS_PER_S))
        child = subprocess.Popen(["sleep", "5"], start_new_session=True)
        self.assertGreater(process.memory_kib(child.pid)[0], 0)
        self.assertGreaterEqual(process.descriptors(child.pid), 3)
        child.kill()
        child.wait()


class Costs(unittest.TestCase):
    def test_every_measurement_has_a_table_and_says_how_steep_it_is(self):
        held = [{"sessions": n, "rss_kib": 1024 + 10 * n, "pss_kib": n, "descriptors": n + 9, "peak_mib": 1, "cpu_us": 400}
                for n in (100, 200)]
        self.assertIn("**10.00 KiB per session**", costs.part("held").text(held))
        grown = [{"sessions": 1000 * n, "rss_kib": 2048 + n, "descriptors": 16} for n in range(1, 21)]
        self.assertIn("slope +0.98 MiB", costs.part("growth").text(grown))
        workers = [{"workers": n, "per_s": 900 * n + 100, "cpu_us": 300 + 30 * n, "peak_mib": 9} for n in (1, 2)]
        self.assertIn("| 2 | 1,900 | 360 | 0.95 | 0.92 |", costs.part("workers").text(workers))
        target = [{"resumed": False, "serve": 330.0, "nginx": 660.0, "floor": 300.0}]
        self.assertIn("| full | 330 | 660 | 300 | 1.10 | 0.50 |", costs.part("target").text(target))
        paced = [{"rate": 500, "p50_us": 9, "p99_us": p99, "ahead_p99_us": 80, "max_us": 300, "worker_us": 200} for p99 in (90, 110)]
        self.assertIn("| 500 | 9 [9 … 9] | 100 [90 … 110] | 80 [80 … 80] | 300", costs.part("pacing").text(paced))
        del paced[0]["ahead_p99_us"], paced[1]["ahead_p99_us"]
        self.assertIn("| 100 [90 … 110] | – | 300", costs.part("pacing").text(paced))
        points = [{"x": n, "sessions": 500, "worker_us": 300 + n, "cpu_us": 400, "peak_mib": 10} for n in (1, 2)]
        for name in ("duration", "cells", "identities"):
            module = costs.part(name)
            self.assertIn("+1.000 µs of worker CPU", module.text(points))
            self.assertEqual(costs.panels(module, points)[0][2], [(1, 301), (2, 302)])

    def test_what_was_kept_becomes_tables_and_a_chart(self):
        before = costs.KEPT, costs.CHART
        with tempfile.TemporaryDirectory() as folder:
            costs.KEPT, costs.CHART = pathlib.Path(folder), pathlib.Path(folder) / "costs.svg"
            try:
                costs.keep("cells", [{"x": n, "sessions": 500, "worker_us": 300, "cpu_us": 400 - n, "peak_mib": 10} for n in (1, 2)])
                text = costs.document()
                drawn = costs.CHART.read_text()
                self.assertIn("x,sessions,worker_us", (costs.KEPT / "cells.csv").read_text())
            finally:
                costs.KEPT, costs.CHART = before
        self.assertIn("(pictures/costs.svg)", text)
        self.assertIn("### Cells", text)
        self.assertIn("Cells: peak MiB", drawn)

    def test_a_chart_is_well_formed(self):
        text = chart.svg([[("a < b", "x", [(1, 10), (4000, 70)])], [("c", "y", [(0, 0), (2, 1)])]])
        self.assertEqual(len(xml.etree.ElementTree.fromstring(text).findall("{*}polyline")), 2)
        self.assertIn(">1,000,000 sessions<", chart.svg([[("many", "sessions", [(2, 1), (987_654, 2)])]]))
        self.assertEqual([chart.round_up(value) for value in (0.5, 1, 4, 6, 70, 4001)], [1, 1, 5, 8, 80, 5000])


class Figures(unittest.TestCase):
    def test_spreads_slopes_and_tables(self):
        self.assertEqual(figures.spread([3, 1, 2], 0), "2 [1 … 3]")
        self.assertEqual(figures.spread([1234.5]), "1,234.5")
        self.assertEqual(figures.spread([]), "–")
        rise, at_zero, explained = figures.slope([(0, 5), (10, 25), (20, 45)])
        self.assertEqual((round(rise, 9), round(at_zero, 9), round(explained, 9)), (2, 5, 1))
        self.assertEqual(figures.table(["a"], [["x|y"]]), "| a |\n| --- |\n| x\\|y |\n")

    def test_only_what_is_between_the_marks_is_made_anew(self):
        text = figures.replace_between("before\n<a>\nold\n<b>\nafter\n", "<a>", "<b>", "new\n")
        self.assertEqual(text, "before\n<a>\n\nnew\n\n<b>\nafter\n")


if __name__ == "__main__":
    unittest.main()
