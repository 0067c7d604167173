#!/usr/bin/env python3
"""Reads reports with the tools that they are for, and says as JSON what those understood.

usage: scripts/foreign-reports.py hlog FILE
       scripts/foreign-reports.py hgrm FILE LOG TAG
       scripts/foreign-reports.py prometheus FILE
       scripts/foreign-reports.py collector FILE

hlog and hgrm need hdrhistogram and pbr, prometheus needs prometheus_client, collector opentelemetry-proto and
protobuf; scripts/install-deps puts them into target/tools/python. Each line of a .hgrm file comes with the value that hdrhistogram finds for its count in the
intervals of LOG that have this tag, merged. collector says as its first line where it listens on loopback, and
appends each message of OpenTelemetry metrics that it is sent to FILE, a line of JSON each, until it is killed.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "target/tools/python"))


def intervals(path):
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader

    reader = HistogramLogReader(path, HdrHistogram(1, 600_000_000_000, 3))
    while (interval := reader.get_next_interval_histogram()) is not None:
        yield interval


def hlog(path):
    return [
        {
            "tag": interval.get_tag(),
            "start_ms": interval.get_start_time_stamp(),
            "count": interval.get_total_count(),
            "p50": interval.get_value_at_percentile(50),
            "max": interval.get_max_value(),
        }
        for interval in intervals(path)
    ]


def hgrm(path, log, tag):
    from hdrh.histogram import HdrHistogram

    merged = HdrHistogram(1, 600_000_000_000, 3)
    for interval in intervals(log):
        if interval.get_tag() == tag:
            merged.add(interval)
    total = merged.get_total_count()
    found = []
    with open(path, encoding="utf-8") as file:
        for fields in (line.split() for line in file):
            if fields and fields[0][0].isdigit():
                count = int(fields[2])
                # It rounds to the nearest sample: this one is `count`.
                value = merged.get_value_at_percentile(100 * (count - 0.25) / total)
                found.append({"ms": float(fields[0]), "foreign_ms": value / 1e6, "count": count})
    return {"lines": found, "total": total}


def prometheus(path):
    from prometheus_client.parser import text_string_to_metric_families

    with open(path, encoding="utf-8") as file:
        families = list(text_string_to_metric_families(file.read()))
    return [
        {
            "family": family.name,
            "type": family.type,
            "samples": [[s.name, s.labels, s.value] for s in family.samples],
        }
        for family in families
    ]


def collector(path):
    from http.server import BaseHTTPRequestHandler, HTTPServer

    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            if self.path != "/v1/metrics" or self.headers["Content-Type"] != "application/x-protobuf":
                self.send_error(415)
                return
            request = service.ExportMetricsServiceRequest()
            request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(MessageToDict(request)) + "\n")
            answer = service.ExportMetricsServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    readers = {"hlog": hlog, "hgrm": hgrm, "prometheus": prometheus, "collector": collector}
    json.dump(readers[sys.argv[1]](*sys.argv[2:]), sys.stdout)
