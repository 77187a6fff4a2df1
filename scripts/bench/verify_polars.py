#!/usr/bin/env python3
# usage: verify_polars.py SERVER SELECTOR START END STEP FAULT OVER
"""The same by someone who knows what is fast in Python: orjson, numpy columns, polars.

START, END, FAULT and OVER (when the fault was over) are seconds since 1970."""

import sys

import numpy as np
import orjson
import polars as pl
import requests

server, selector, step = sys.argv[1], sys.argv[2], sys.argv[5]
start, end, fault, over = (int(sys.argv[place]) for place in (3, 4, 6, 7))

body = requests.get(
    f"{server}/api/v1/query_range",
    params={"query": selector, "start": start, "end": end, "step": step},
    headers={"Accept-Encoding": "identity"},
).content
series = orjson.loads(body)["data"]["result"]
del body
times = np.fromiter((point[0] for one in series for point in one["values"]), dtype="f8")
values = np.fromiter((float(point[1]) for one in series for point in one["values"]), dtype="f8")
phase = (times >= fault).astype("u1") + (times >= over).astype("u1")
frame = pl.DataFrame({"phase": phase, "value": values})
quantiles = [pl.col("value").quantile(q, "linear").alias(str(q)) for q in (0.5, 0.95, 0.99)]
print(frame.group_by("phase").agg(quantiles).sort("phase"))
print("samples", len(frame))
