#!/usr/bin/env python3
# usage: verify_pandas.py SERVER SELECTOR START END STEP FAULT OVER
"""What many write today: prometheus-api-client, its frame, and pandas for figures of each phase.

START, END, FAULT and OVER (when the fault was over) are seconds since 1970."""

import sys
from datetime import datetime

import pandas as pd
from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect

server, selector, step = sys.argv[1], sys.argv[2], sys.argv[5]
start, end, fault, over = (int(sys.argv[place]) for place in (3, 4, 6, 7))

answer = PrometheusConnect(url=server, disable_ssl=True).custom_query_range(
    selector, datetime.fromtimestamp(start), datetime.fromtimestamp(end), step
)
frame = MetricRangeDataFrame(answer).reset_index()
# The library's index is of numbers or of times, depending on its version.
times = frame["timestamp"]
if times.dtype.kind not in "fi":
    times = times.astype("datetime64[s]").astype("int64")
frame["phase"] = pd.cut(
    times, [-1, fault, over, 1e11], labels=["before", "during", "after"], right=False
)
print(frame.groupby("phase", observed=False)["value"].quantile([0.5, 0.95, 0.99]).unstack())
print("samples", len(frame))
