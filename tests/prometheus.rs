//! A real Prometheus server does for a test what it does elsewhere.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    LabProcess, PrometheusServer, ScriptedTarget, program::until, prometheus::Targets,
};

const MINUTE: Duration = Duration::from_secs(60);

/// The series that an instant query gives.
#[track_caller]
fn query(server: &PrometheusServer, query: &str) -> Vec<Value> {
    let data = server.api("query", &[("query", query)]);
    assert_eq!(data["resultType"], "vector");
    data["result"].as_array().unwrap().clone()
}

#[test]
fn a_target_is_up() {
    let target = ScriptedTarget::start(|_| "jobs_waiting 7\n".to_owned());
    let Some(server) = PrometheusServer::scraping(Targets::Fixed(target.addresses())) else {
        return;
    };
    let instance = target.addresses()[0].to_string();
    let up = until("the target is up", MINUTE, || {
        let up = query(&server, "up");
        (up.first()?["value"][1] == "1").then_some(up)
    });
    assert_eq!(up.len(), 1, "{up:?}");
    let labels = json!({"__name__": "up", "instance": instance, "job": "test"});
    assert_eq!(up[0]["metric"], labels);
    assert_eq!(query(&server, "jobs_waiting")[0]["value"][1], "7");
}

#[test]
fn the_targets_that_the_lab_names_are_up() {
    let lab = LabProcess::start(&["--replicas", "2"]);
    let Some(server) = PrometheusServer::scraping(Targets::HttpSd(&lab.address("sd"))) else {
        return;
    };
    until("both pods and the gateway are up", MINUTE, || {
        let up = |job: &str| query(&server, &format!("up{{job={job:?}}} == 1")).len();
        ([up("api"), up("gateway")] == [2, 1]).then_some(())
    });
}

#[test]
fn a_history_is_told_as_it_was_written() {
    // Three hours, so that more than one block is made.
    let (start, step, points) = (1_700_000_000_u32, 15, 720);
    let mut text = "# TYPE level gauge\n".to_owned();
    let mut written = Vec::new();
    for point in 0..points {
        let (time, value) = (start + point * step, (f64::from(point) - 100.0) / 7.0);
        writeln!(text, "level{{room=\"a b\"}} {value} {time}").unwrap();
        written.push(json!([time, value.to_string()]));
    }
    text.push_str("# EOF\n");
    let Some(server) = PrometheusServer::remembering(&text) else { return };
    let end = start + (points - 1) * step;
    let data = server.api(
        "query_range",
        &[
            ("query", r#"level{room="a b"}"#),
            ("start", &start.to_string()),
            ("end", &end.to_string()),
            ("step", &step.to_string()),
        ],
    );
    let series = json!([{"metric": {"__name__": "level", "room": "a b"}, "values": written}]);
    assert_eq!(data, json!({"resultType": "matrix", "result": series}));
}
