#!/usr/bin/env python3
# usage: scripts/bench/verify.py CACHE [PODS] [HOURS] [ROUNDS] (called by scripts/bench/verify)
"""Measures `homeostat verify` beside other ways to look at the same past of a Prometheus server.

Each program is one process from start to end, all of them in turn, so many rounds of it. Wall time,
processor time and peak memory are the kernel's account of that process; the medians are shown."""

import http.server
import json
import math
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEP = 15  # seconds between two scrapes
START = 1_763_856_000  # of the history, seconds since 1970
FAULT_LENGTH = 600
LOOK_BACK = 300  # what homeostat asks for before *before*
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, math.inf]
SELECTOR = 'http_request_duration_seconds_bucket{job="web"}'


class History:
    """The past of a service: its pods, a fifth of which die in the middle and are replaced."""

    def __init__(self, pods, hours):
        self.pods, self.scrapes = pods, int(hours * 3600) // STEP
        self.end = START + self.scrapes * STEP
        self.fault = START + self.scrapes // 2 * STEP
        self.over = self.fault + FAULT_LENGTH
        self.asked_from = START + 2 * LOOK_BACK
        self.asked_to = self.end - LOOK_BACK

    def lives(self):
        """Each pod: its name, and its first and last scrape."""
        rnd = random.Random(1)
        name = lambda: "web-7d9f6c5b8-%05x" % rnd.getrandbits(20)
        killed_at, back_at = self.scrapes // 2, self.scrapes // 2 + 4
        for pod in range(self.pods):
            if pod < self.pods // 5:
                yield name(), 0, killed_at, True
                yield name(), back_at, self.scrapes, False
            else:
                yield name(), 0, self.scrapes, False

    def write(self, out):
        """OpenMetrics text, the samples of a series one after the other."""
        usual, bad = shares(0.040, 0.8), shares(0.160, 1.1)
        up, scraped = [], []
        families = {end: [] for end in ("_bucket", "_count", "_sum")}
        out.write("# TYPE http_request_duration_seconds histogram\n")
        for place, (name, first, last, killed) in enumerate(self.lives()):
            rnd = random.Random(place)
            address = f"10.244.{place // 250}.{place % 250 + 1}:8080"
            target = f'instance="{address}",job="web",namespace="shop",pod="{name}"'
            # Scrapes of different targets are spread over the interval, to the millisecond.
            begin = START + rnd.randrange(STEP * 1000) / 1000
            times = ["%.3f" % (begin + n * STEP) for n in range(first, last)]
            reached, rows, seconds = [0] * len(BOUNDS), [], 0.0
            for n in range(first, last):
                at = START + n * STEP
                chaos = self.fault <= at < self.over
                load = 300 * (1 + 0.3 * math.sin(n / self.scrapes * 18.8)) * rnd.uniform(0.9, 1.1)
                total = 0
                for le, share in enumerate(bad if chaos else usual):
                    count = int(load * share + rnd.random())
                    total += count
                    reached[le] += total
                    seconds += count * 0.8 * min(BOUNDS[le], 12.0)
                rows.append((tuple(reached), seconds))
            metric = "http_request_duration_seconds"
            for le, bound in enumerate(BOUNDS):
                bound = "+Inf" if math.isinf(bound) else repr(float(bound))
                head = f'{metric}_bucket{{{target},le="{bound}"}}'
                out.writelines(f"{head} {row[0][le]} {at}\n" for at, row in zip(times, rows))
            head = f"{metric}_count{{{target}}}"
            out.writelines(f"{head} {row[0][-1]} {at}\n" for at, row in zip(times, rows))
            head = f"{metric}_sum{{{target}}}"
            out.writelines(f"{head} {row[1]:.6f} {at}\n" for at, row in zip(times, rows))
            scraped.append((target, times, len(BOUNDS) + 2))
            # One that was killed is listed for two more scrapes, in vain.
            away = ["%.3f" % (begin + n * STEP) for n in (last, last + 1)] if killed else []
            up.append((target, times, away))
        out.write("# TYPE up gauge\n")
        for target, times, away in up:
            out.writelines(f"up{{{target}}} 1 {at}\n" for at in times)
            out.writelines(f"up{{{target}}} 0 {at}\n" for at in away)
        out.write("# TYPE scrape_samples_scraped gauge\n")
        for target, times, samples in scraped:
            head = f"scrape_samples_scraped{{{target}}} {samples}"
            out.writelines(f"{head} {at}\n" for at in times)
        out.write("# EOF\n")

    def blocks(self, cache):
        """The directory of a server that has seen all this; made once."""
        blocks = cache / f"history-{self.pods}x{self.scrapes}"
        if blocks.exists():
            return blocks
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            text, made = Path(scratch, "text"), Path(scratch, "blocks")
            with text.open("w") as out:
                self.write(out)
            promtool = ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, made]
            subprocess.run(promtool, check=True, stdout=subprocess.DEVNULL)
            made.rename(blocks)
        return blocks

    def hypothesis(self, server):
        before = self.fault - (self.asked_from + LOOK_BACK)
        after = self.asked_to - self.over
        return f"""version: 1
name: bench
claim: With a fifth of the pods away, p99 stays below 5 s.
phases: {{before: {before}s, during: {FAULT_LENGTH}s, after: {after}s, step: {STEP}s}}
sources: {{prometheus: {{url: "{server}"}}}}
fault: {{command: {{argv: ["true"]}}}}
evidence: [{{targets_lost: 'up{{job="web"}}', at_least: 10%}}]
indicators:
  p99: {{quantile: 0.99, histogram: 'http_request_duration_seconds{{job="web"}}', over: 1m}}
checks:
  - {{indicator: p99, before: {{below: 500ms}}}}
  - {{indicator: p99, during: {{below: 5s}}}}
  - {{indicator: p99, after: {{below: 500ms}}}}
"""


def shares(median, sigma):
    """The share of a log-normal latency in each bucket."""
    below = [
        1.0 if math.isinf(le) else 0.5 * (1 + math.erf(math.log(le / median) / sigma / 2**0.5))
        for le in BOUNDS
    ]
    return [high - low for low, high in zip([0.0] + below, below)]


class Prometheus:
    """A server over the blocks of a history, ended with the bench."""

    def __init__(self, blocks, scratch):
        config = scratch / "prometheus.yml"
        config.write_text("scrape_configs: []\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % free.getsockname()[1]
        self.url = f"http://{address}"
        arguments = {
            "config.file": config,
            "storage.tsdb.path": blocks,
            "storage.tsdb.retention.time": "100y",
            "web.listen-address": address,
            "log.level": "warn",
        }
        arguments = [f"--{name}={value}" for name, value in arguments.items()]
        with (scratch / "prometheus.log").open("w") as log:
            self.process = subprocess.Popen(["prometheus", *arguments], stderr=log)

    def __enter__(self):
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.url}/-/ready").close()
                return self
            except OSError:
                if self.process.poll() is not None:
                    sys.exit("prometheus ended")
                time.sleep(0.1)
        sys.exit("prometheus is not ready within a minute")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def asked_through_a_proxy(server, run):
    """What a program asks a server: path and body of each request."""
    asked = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, body.decode()))
            kind = {"Content-Type": self.headers["Content-Type"]}
            request = urllib.request.Request(server + self.path, data=body, headers=kind)
            try:
                answer = urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                self.send_response(answer.status)
                self.end_headers()
                shutil.copyfileobj(answer, self.wfile)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        run("http://127.0.0.1:%d" % proxy.server_port)
        proxy.shutdown()
    return asked


class Cost:
    """What one process took."""

    def __init__(self, arguments, codes=(0,)):
        began = time.perf_counter()
        # To a file: a pipe that is full would hold the process up.
        with tempfile.TemporaryFile() as out:
            child = subprocess.Popen(arguments, stdout=out, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(child.pid, 0)
            self.wall = time.perf_counter() - began
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            self.said = out.read().decode()
        if child.returncode not in codes:
            sys.exit(f"{arguments} ended with {child.returncode}:\n{self.said}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak = usage.ru_maxrss / 1024


def only_run(store):
    return next(store.glob("hypothesis=*/run=*"))


def main():
    cache = Path(sys.argv[1])
    pods, hours, rounds = [*map(int, sys.argv[2:]), *(232, 6, 5)[len(sys.argv) - 2 :]]
    history = History(pods, hours)
    blocks = history.blocks(cache)
    builds = {"homeostat": os.environ["HOMEOSTAT"], "before": os.environ.get("BEFORE")}
    builds = {name: build for name, build in builds.items() if build}
    with tempfile.TemporaryDirectory() as scratch, Prometheus(blocks, Path(scratch)) as server:
        measure(history, server.url, Path(scratch), builds, rounds, cache)


def measure(history, server, scratch, builds, rounds, cache):
    verdicts = (0, 10, 11)
    stores = {}

    def verify(name, url):
        shutil.rmtree(stores.get(name, scratch / "none"), ignore_errors=True)
        stores[name] = Path(tempfile.mkdtemp(dir=scratch))
        file = stores[name] / "bench.yaml"
        file.write_text(history.hypothesis(url))
        during = f"--during={history.fault}..{history.over}"
        store = f"--store={stores[name] / 'store'}"
        return Cost([builds[name], "verify", file, during, store], verdicts)

    asked = asked_through_a_proxy(server, lambda url: verify("homeostat", url))
    config = scratch / "curl"
    config.write_text(
        "next\n".join(
            f'url = "{server}{path}"\ndata = "{body}"\noutput = /dev/null\n'
            for path, body in asked
        )
    )

    window = [str(n) for n in (history.asked_from, history.asked_to)]
    question = [server, SELECTOR, *window, str(STEP), str(history.fault), str(history.over)]
    python = cache / "venv/bin/python"
    programs = {f"verify, {name}": lambda name=name: verify(name, server) for name in builds}
    programs["curl"] = lambda: Cost(["curl", "--silent", "--fail", "--config", config])
    if os.environ.get("PEERS") != "no":
        programs["orjson, polars"] = lambda: Cost([python, HERE / "verify_polars.py", *question])
        programs["pandas"] = lambda: Cost([python, HERE / "verify_pandas.py", *question])
    for name in builds:
        run = lambda name=name: only_run(stores[name] / "store")
        programs[f"judge, {name}"] = lambda run=run, name=name: Cost(
            [builds[name], "judge", run()], verdicts
        )

    costs = {name: [] for name in programs}
    for done in range(rounds):
        for name, run in programs.items():
            costs[name].append(run())
            print(f"round {done + 1}: {name} {costs[name][-1].wall:.2f} s", file=sys.stderr)

    manifest = json.loads((only_run(stores["homeostat"] / "store") / "run.json").read_text())
    print(f"{len(asked)} requests; answered:")
    for one in manifest["ledger"]["queries"]:
        print(f"  {one['query']}: {one['series']} series, {one['samples']} samples")
    for name in ("orjson, polars", "pandas"):
        if name in costs:
            print(f"  {name}: {costs[name][-1].said.split()[-1]} points, step {STEP} s")
    print(f"\n{'':<20} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}    homeostat's wall, CPU, peak over these")
    median = lambda name, what: statistics.median(getattr(one, what) for one in costs[name])
    for name in programs:
        ours = next(mine for mine in programs if mine.split(",")[0] == name.split(",")[0])
        ours = ours if name.startswith("judge") else "verify, homeostat"
        figures = [median(name, what) for what in ("wall", "cpu", "peak")]
        line = f"{name:<20} {figures[0]:>8.2f} {figures[1]:>8.2f} {figures[2]:>8.0f}"
        if name != ours:
            ratios = [median(ours, what) / median(name, what) for what in ("wall", "cpu", "peak")]
            line += "    " + " ".join(f"{ratio:.3f}" for ratio in ratios)
        print(line)


main()
