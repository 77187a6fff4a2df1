//! Tests over all formats: they agree, they are the same bytes twice, and nothing from outside
//! is more than text in any of them.

use serde_json::Value;

use super::{
    Format, Style, View, files,
    fixture::{self, Sample},
    render,
};

const PLAIN: Style = Style { colour: false, width: 80 };

fn all(sample: &Sample) -> [String; 5] {
    let view = View::new(&sample.subject());
    [Format::Terminal, Format::Html, Format::Markdown, Format::Junit, Format::Json]
        .map(|format| render(&view, format, PLAIN))
}

#[track_caller]
fn check(sample: &Sample, word: &str, exit_code: u8) {
    let [terminal, html, markdown, junit, json] = all(sample);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["verdict"], word.to_lowercase());
    assert_eq!(json["exit_code"], exit_code);
    let headline = json["headline"].as_str().unwrap();

    assert!(terminal.lines().next().unwrap().contains(word), "{terminal}");
    assert!(terminal.contains(headline) || terminal.replace('\n', " ").contains(headline));
    assert!(html.contains(&format!("<title>{word}: ")));
    assert!(html.contains(&format!("class=\"banner {}\"", word.to_lowercase())));
    assert!(markdown.lines().next().unwrap().contains(&format!("{word}: ")), "{markdown}");

    let report = quick_junit::Report::deserialize_from_str(&junit).unwrap();
    let verdict = &report.test_suites[0].test_cases[0];
    let said = match &verdict.status {
        quick_junit::TestCaseStatus::Success { .. } => "PASS",
        quick_junit::TestCaseStatus::NonSuccess {
            kind: quick_junit::NonSuccessKind::Failure,
            ..
        } => "FAIL",
        quick_junit::TestCaseStatus::NonSuccess {
            kind: quick_junit::NonSuccessKind::Error,
            ..
        } => "INCONCLUSIVE",
        quick_junit::TestCaseStatus::Skipped { .. } => "skipped",
    };
    assert_eq!((verdict.name.as_str(), said), ("verdict", word));
}

#[test]
fn all_formats_agree_on_a_pass() {
    check(&fixture::held(), "PASS", 0);
    check(&fixture::held_by_luck(), "PASS", 0);
    check(&fixture::placebo(), "PASS", 0);
}

#[test]
fn all_formats_agree_on_a_fail() {
    check(&fixture::failed(), "FAIL", 10);
}

#[test]
fn all_formats_agree_on_what_cannot_be_told() {
    check(&fixture::untold(), "INCONCLUSIVE", 11);
    check(&fixture::no_fault(), "INCONCLUSIVE", 11);
    check(&fixture::not_injected(), "INCONCLUSIVE", 11);
}

#[test]
fn a_pass_for_another_reason_says_so_first() {
    let said = "Held, but not for the reason claimed";
    for text in all(&fixture::held_by_luck()) {
        let start: String = text.split("</style>").last().unwrap().chars().take(2_600).collect();
        assert!(start.contains(said), "{start}");
    }
}

#[test]
fn a_placebo_run_says_so_first() {
    let [terminal, html, markdown, junit, json] = all(&fixture::placebo());
    for text in [terminal, html, markdown, junit, json] {
        assert!(text.contains("Placebo run. Nothing was disturbed, and the checks held"), "{text}");
    }
}

#[test]
fn two_renders_are_the_same_bytes() {
    let once = all(&fixture::held());
    assert!(once == all(&fixture::held()));
    let view = View::new(&fixture::held().subject());
    let names = files(&view).map(|(name, _)| name);
    assert_eq!(names, ["verdict.json", "report.html", "report.md", "junit.xml"]);
    for text in once {
        assert!(text.ends_with('\n') && !text.contains("NaN"));
    }
}

#[test]
fn nothing_from_outside_is_more_than_text() {
    let [terminal, html, markdown, junit, json] = all(&fixture::hostile());

    assert!(!terminal.contains('\x1b') && !terminal.contains('\u{202e}'));

    let page = html.split("</style>").last().unwrap();
    assert!(!page.contains("<script") && !page.contains("alert('x')</"), "escaped in HTML");
    assert!(page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"));
    assert!(!page.contains('\x1b') && !page.contains('\u{202e}'));
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());

    let code_free: String = markdown.lines().map(|line| without_code(line) + "\n").collect();
    assert!(!code_free.contains("<script") && !code_free.contains("@everyone"), "{code_free}");
    assert!(!code_free.contains("[a](http"), "{code_free}");
    let tables = markdown.lines().filter(|line| line.starts_with("| **"));
    for row in tables.filter(|row| row.contains("latency_p99 ")) {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
    }

    let report = quick_junit::Report::deserialize_from_str(&junit).unwrap();
    assert!(report.test_suites[0].test_cases.iter().any(|case| case.name.contains("<script>")));
    assert!(!junit.contains('\x1b') && !junit.contains("<script"));

    let json_value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json_value["hypothesis"]["claim"], fixture::HOSTILE, "exact in JSON");
    assert!(!json.contains('\x1b'));
}

/// A line without its code spans, whatever the length of their fences.
fn without_code(line: &str) -> String {
    let mut rest = line;
    let mut text = String::new();
    while let Some(start) = rest.find('`') {
        // A backslash takes its meaning away.
        if rest[..start].ends_with('\\') {
            text.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        }
        text.push_str(&rest[..start]);
        let fence: String = rest[start..].chars().take_while(|c| *c == '`').collect();
        let inside = &rest[start + fence.len()..];
        let Some(end) = inside.find(&format!(" {fence}")).map(|n| n + 1).or(inside.find(&fence))
        else {
            return text + inside;
        };
        rest = &inside[end + fence.len()..];
    }
    text + rest
}

#[test]
fn a_report_fits_a_step_summary() {
    let mut sample = fixture::hostile();
    let one = sample.observed.events[0].clone();
    sample.observed.events.extend(std::iter::repeat_n(one, 20_000));
    let [_, _, markdown, ..] = all(&sample);
    assert!(markdown.len() < 256 * 1024, "{} bytes", markdown.len());
}

#[test]
fn a_terminal_is_never_overrun() {
    for width in [40, 60, 80, 200] {
        let view = View::new(&fixture::held().subject());
        let text = render(&view, Format::Terminal, Style { colour: false, width });
        // What cannot be broken may be longer: an address, a fingerprint.
        let breakable = |line: &&str| line.split_whitespace().all(|word| word.len() < 24);
        let long = text.lines().filter(breakable).find(|line| line.chars().count() > width);
        assert_eq!(long, None, "at {width}");
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let view = View::new(&fixture::failed().subject());
    let coloured = render(&view, Format::Terminal, Style { colour: true, width: 80 });
    assert!(coloured.contains('\x1b'));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    assert_eq!(plain + rest, render(&view, Format::Terminal, PLAIN));
}
