//! `homeostat drift`: from a CSV to an answer, an exit code and JSON.

use std::fmt::Write as _;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Done, Program,
    chromium::{Chromium, Look},
    homeostat,
};

/// Numbers that vary by ±1 around a mean and repeat nothing.
fn values(n: usize, mean: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..n).map(|i| mean(i) + (0..6).map(|_| random.f64() - 0.5).sum::<f64>()).collect()
}

/// One night after the other, each with its number.
fn nightly(values: &[f64]) -> String {
    let mut csv = "time,value,commit\n".to_owned();
    for (night, value) in values.iter().enumerate() {
        let (month, day) = (1 + night / 28, 1 + night % 28);
        writeln!(csv, "2026-{month:02}-{day:02}T02:15:00Z,{value},abc").unwrap();
    }
    csv
}

fn drift(csv: &str, args: &[&str]) -> Done {
    let dir = TempDir::new().unwrap();
    fs_err::write(dir.path().join("margin.csv"), csv).unwrap();
    let args = [&["drift", "--series", "margin.csv"], args].concat();
    homeostat(args).cwd(dir.path()).run()
}

fn json(csv: &str, args: &[&str], code: i32) -> Value {
    let done = drift(csv, &[args, &["--format", "json"]].concat()).exits(code);
    // Strict JSON has no word for what is no number.
    serde_json::from_str(&done.stdout).unwrap()
}

fn codes(json: &Value) -> Vec<&str> {
    let reasons = json["reasons"].as_array().unwrap().iter();
    reasons.map(|reason| reason["code"].as_str().unwrap()).collect()
}

#[test]
fn a_step_for_the_worse_ends_with_12() {
    let csv = nightly(&values(100, |i| if i < 60 { 20.0 } else { 24.0 }));
    let found = json(&csv, &["--boundary", "50", "--direction", "below"], 12);
    assert_eq!(found["family"], "stepped");
    assert_eq!(found["change_points"], serde_json::json!([60]));
    assert_eq!(found["regimes"].as_array().unwrap().len(), 2);
    assert_eq!(found["alerts"][0]["kind"], "step");
    assert_eq!(found["forecast"]["answer"], "not_before");
    // The numbers fall for the worse in the other direction, and this is a rise.
    json(&csv, &["--boundary", "10", "--direction", "above"], 0);
}

#[test]
fn a_steady_history_ends_with_0() {
    let found = json(&nightly(&values(100, |_| 20.0)), &["--boundary", "50"], 0);
    assert_eq!((&found["family"], &found["drifting"]), (&"steady".into(), &false.into()));
    assert_eq!(found["change_points"], serde_json::json!([]));
    assert_eq!(codes(&found), ["direction_from_boundary", "ignored_columns", "missing_runs"]);
}

#[test]
fn a_drift_is_forecast_in_runs_and_in_days() {
    let mut csv = "time,value\n".to_owned();
    for (night, value) in values(60, |i| 20.0 + 0.1 * i as f64).into_iter().enumerate() {
        // Every second day.
        writeln!(csv, "{},{value}", 1_790_000_000 + night * 2 * 86_400).unwrap();
    }
    let found = json(&csv, &["--boundary", "30"], 12);
    assert_eq!(
        (&found["family"], &found["slope"]["answer"]),
        (&"drifting".into(), &"rises".into())
    );
    let ahead = &found["forecast"];
    assert_eq!(ahead["answer"], "between");
    let (runs, days) = (ahead["from_runs"].as_f64().unwrap(), ahead["from_days"].as_f64().unwrap());
    assert!((days - 2.0 * runs).abs() < 1e-6 && (20.0..41.0).contains(&runs), "{ahead}");
}

#[test]
fn the_terminal_answers_five_questions() {
    let mut csv = "index,value,boundary\n".to_owned();
    for index in 0..60 {
        let value = if index < 40 { 20 } else { 22 } + index % 2;
        writeln!(csv, "{index},{value},30").unwrap();
    }
    let done = drift(&csv, &["--direction", "below"]).exits(12);
    insta::assert_snapshot!(done.stdout, @r"
    ✗ DRIFTING  margin.csv
    Worse (higher) by 2 since row 40, by a step

      ▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▁▃▆█▆█▆█▆█▆█▆█▆█▆█▆█▆█

      Is it steady?                  · No: stepped, 1 change of the level.
                                       - at row 40: a step up by 2 (1.7 to 2.3), 3.79 standard
                                         deviations
      Is it worse than it was?       ✗ Yes: there is a change for the worse, it matters, and it still
                                       stands.
                                       - Worse (higher) by 2 since row 40, by a step
      When is the boundary reached?  ✓ Not before 137 runs, perhaps never (90 %).
                                       - no slope established: 0.00868 (-0.0431 to 0.0604) a run over
                                         the last 20 runs, median of pairs 0
      Does the next run break it?    · With a probability of less than 0.1 %.
      What can you not trust?        ✓ Nothing stands out.

    regimes
      rows 0 to 39       40 runs at 20.5 (20.3 to 20.7)
      rows 40 to 59      20 runs at 22.5 (22.3 to 22.7)

    how
      Rows, counted from 0: 60
      Runs with a number: 60
      Boundary: 30
      Values belong: below the boundary
      Memory from run to run (φ): 0.0357
      Standard deviation of the errors: 0.527
      Least change that matters: 5 % of the margin before the change
      Changes are believed: for a gate: few false alarms
    ");
}

#[test]
fn the_input_can_be_a_pipe() {
    let csv = nightly(&values(60, |_| 20.0));
    let dir = TempDir::new().unwrap();
    fs_err::write(dir.path().join("a.csv"), csv).unwrap();
    let script = format!("'{}' drift --series - < a.csv", env!("CARGO_BIN_EXE_homeostat"));
    let done = Program::new("sh").args(["-c", &script]).cwd(dir.path()).run().exits(0);
    assert!(done.stdout.starts_with("✓ STEADY  stdin\n"), "{done}");
}

#[test]
fn a_cell_that_cannot_be_read_is_an_error_with_its_place() {
    let done = drift("index,value\n0,1\n1,1.2.3\n", &[]).exits(1);
    assert_eq!(
        done.stderr,
        "error: `margin.csv`, line 3, column 2 (`value`): `1.2.3` is not a number\n\
         hint: leave a cell empty where there is no number\n"
    );
    let done = drift("a,b\n1,2\n", &[]).exits(1);
    assert!(done.stderr.contains("no column `value`") && done.stderr.contains("hint: "), "{done}");
    homeostat(["drift", "--series", "no-such-file.csv"]).run().exits(1);
    drift("value\n1\n", &["--least", "much"]).exits(2);
    drift("value\n1\n", &["--boundary", "nan"]).exits(1);
}

/// Case 28 of the field.
#[test]
fn holes_are_holes_and_repeated_times_are_named() {
    let mut csv = "time,value\n".to_owned();
    for (row, value) in values(60, |_| 20.0).iter().enumerate() {
        let cell = if (20..35).contains(&row) { String::new() } else { value.to_string() };
        writeln!(csv, "{},{cell}", 1_790_000_000 + row * 86_400).unwrap();
    }
    let found = json(&csv, &["--boundary", "50"], 0);
    assert_eq!((&found["rows"], &found["runs"]), (&60.into(), &45.into()));
    assert_eq!((&found["family"], codes(&found)[1]), (&"steady".into(), "gaps"));
    let twice: Vec<String> = values(40, |_| 20.0)
        .iter()
        .enumerate()
        .map(|(row, value)| format!("2026-11-0{},{value}", 1 + row / 20))
        .collect();
    let found = json(&format!("time,value\n{}\n", twice.join("\n")), &["--boundary", "50"], 0);
    assert!(codes(&found).contains(&"times_do_not_rise"), "{found}");
}

#[test]
fn too_few_numbers_and_no_numbers_are_no_pass() {
    for csv in ["value\n", "value\n1\n2\n3\n4\n5\n6\n7\n", "value\nNaN\ninf\n-inf\n"] {
        let found = json(csv, &[], 0);
        assert_eq!(found["family"], "cannot_tell", "{csv}");
        assert!(codes(&found).contains(&"still_learning"), "{csv}");
    }
    let done = drift("value\n1\n2\n3\n4\n5\n6\n7\n", &[]).exits(0);
    assert!(done.stdout.contains("Still learning: 7 of 10 runs"), "{done}");
}

#[test]
fn the_report_can_go_to_a_file() {
    let dir = TempDir::new().unwrap();
    fs_err::write(dir.path().join("a.csv"), "value\n1\n").unwrap();
    let args = ["drift", "--series", "a.csv", "--format", "json", "-o", "drift.json"];
    let done = homeostat(args).cwd(dir.path()).run().exits(0);
    assert_eq!(done.stdout, "");
    let text = fs_err::read_to_string(dir.path().join("drift.json")).unwrap();
    assert!(serde_json::from_str::<Value>(&text).unwrap()["format_version"] == 1);
}

/// A history with everything that a plot can show.
fn eventful() -> String {
    let mut csv = "time,value,lower,upper,boundary\n".to_owned();
    let mean = |i: usize| if i < 45 { 150.0 } else { 165.0 + 0.4 * (i - 45) as f64 };
    for (row, value) in values(120, mean).into_iter().enumerate() {
        let value = if row == 20 || row == 90 { value + 40.0 } else { value };
        let cells = format!("{value},{},{}", value - 1.0, value + 2.0);
        let cells = if (60..66).contains(&row) { ",,".to_owned() } else { cells };
        writeln!(csv, "{},{cells},230", 1_790_000_000 + row * 86_400).unwrap();
    }
    csv
}

#[test]
fn the_page_opens_on_a_desk_and_on_a_phone() {
    let dir = TempDir::new().unwrap();
    fs_err::write(dir.path().join("a.csv"), eventful()).unwrap();
    let args = ["drift", "--series", "a.csv", "--format", "html", "-o", "drift.html"];
    homeostat(args).cwd(dir.path()).run().exits(12);
    let desk = Look { width: 1280, height: 900, dark: false, phone: false };
    let phone = Look { width: 390, height: 844, dark: false, phone: true };
    for (look, name) in [
        (desk, "drift-desktop-light"),
        (Look { dark: true, ..desk }, "drift-desktop-dark"),
        (phone, "drift-phone-light"),
        (Look { dark: true, ..phone }, "drift-phone-dark"),
    ] {
        let Some(mut browser) = Chromium::start() else { return };
        browser.open(&dir.path().join("drift.html"), look);
        let picture = browser.picture(name);
        assert_eq!(browser.complaints(), [""; 0], "on the console");
        assert_eq!(browser.requests(), [""; 0], "asked of the network");
        let marks = if look.phone { ".narrow" } else { ".wide" };
        let marks = browser.ask(&format!("document.querySelectorAll('{marks} svg circle').length"));
        assert!(marks.as_u64().unwrap() > 100, "{marks} runs, see {picture}");
        let wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.ask(wider).as_f64(), Some(0.0), "wider than the window, see {picture}");
    }
}

#[test]
fn markdown_is_text_whatever_the_columns_are_called() {
    let csv =
        eventful().replacen("boundary", "boundary,<img src=x>|@me", 1).replace(",230", ",230,1");
    let done = drift(&csv, &["--format", "markdown"]).exits(12);
    assert!(done.stdout.starts_with("## ❌ DRIFTING: Worse (higher) by "), "{done}");
    assert!(!done.stdout.contains("<img") && !done.stdout.contains("@me"), "{done}");
    assert!(done.stdout.contains("| Is it steady? | "), "{done}");
}
