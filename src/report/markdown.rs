//! `report.md`: the report for the summary of a CI step or a comment on a pull request.
//!
//! Plain GitHub-flavoured Markdown; of HTML only `<details>` and `<summary>`, which GitHub keeps.

use super::{
    View,
    spark::spark,
    view::{CheckView, Fact, Finding, Gauge},
};
use crate::verdict::Outcome;

/// How many entries of the timeline are shown; GitHub takes at most 1 MiB of a step summary.
const MOST: usize = 60;

pub(super) fn render(view: &View) -> String {
    let mut md = String::new();
    first_screen(&mut md, view);
    right(&mut md, view);
    md += "\n### Checks\n\n";
    checks(&mut md, &view.checks);
    if !view.steady.is_empty() {
        md += "\n### Steady state before\n\n";
        checks(&mut md, &view.steady);
    }
    fault(&mut md, view);
    indicators(&mut md, view);
    timeline(&mut md, view);
    details(&mut md, "Quality of the data", &view.trust.ledger, &view.trust.bad_lines);
    details(&mut md, "Method", &view.trust.method, &[]);
    details(&mut md, "Provenance", &view.provenance, &[]);
    md
}

fn first_screen(md: &mut String, view: &View) {
    let sign = match view.outcome {
        Outcome::Pass => "✅",
        Outcome::Fail => "❌",
        Outcome::Inconclusive => "❔",
    };
    line(md, &format!("## {sign} {}: {}", view.word(), prose(&view.headline)));
    line(md, "");
    line(md, &format!("> {}", prose(&view.claim)));
    line(md, "");
    line(md, &format!("{} · run {}", code(&view.name), code(&view.run_id)));
    line(md, "");
    line(md, "| | |");
    line(md, "|---|---|");
    for (place, answer) in view.answers.iter().enumerate() {
        let mut said = format!("{} **{}**", answer.tone.sign(), cell(&answer.text));
        if let (2, Some(gauge)) = (place, view.gauge) {
            said += &format!("<br>`{}`", bar(gauge));
        }
        for detail in &answer.details {
            said += &format!("<br>{}", cell(detail));
        }
        line(md, &format!("| {} | {said} |", answer.question));
    }
}

fn right(md: &mut String, view: &View) {
    if view.right.is_empty() {
        return;
    }
    *md += "\n### What went right\n\n";
    for item in &view.right {
        line(md, &format!("- {}", prose(item)));
    }
}

fn checks(md: &mut String, checks: &[CheckView]) {
    line(md, "| Verdict | Check | Observed | Margin | In breach | Worst point | Points |");
    line(md, "|---|---|---|---|---|---|---|");
    for check in checks {
        let mut what = format!("{}<br>{}", code_cell(&check.id), cell(&check.objective));
        for reason in &check.reasons {
            what += &format!("<br>⚠ {} (`{}`)", cell(&reason.text), reason.code);
        }
        let observed = two(&check.observed, &[&check.interval, &check.recovery]);
        let margin = two(&check.margin, &[&check.margin_interval]);
        let longest = match check.longest.as_str() {
            "" => String::new(),
            longest => format!("longest {longest}"),
        };
        let worth = match check.n_eff.as_str() {
            "" => String::new(),
            n_eff => format!("worth {n_eff}"),
        };
        let (breach, worst) =
            (two(&check.breach, &[&longest]), two(&check.worst, &[&check.worst_at]));
        let points = two(&check.points, &[&worth]);
        let word = format!("{} {}", check.sign(), check.word());
        line(
            md,
            &format!(
                "| **{word}** | {what} | {observed} | {margin} | {breach} | {worst} | {points} |"
            ),
        );
    }
}

/// A text and what stands below it, in one cell.
fn two(text: &str, below: &[&str]) -> String {
    let mut said = if text.is_empty() { "–".to_owned() } else { cell(text) };
    for more in below.iter().filter(|more| !more.is_empty()) {
        said += &format!("<br>{}", cell(more));
    }
    said
}

fn fault(md: &mut String, view: &View) {
    let fault = &view.fault;
    *md += "\n### The fault\n\n";
    line(md, &prose(&fault.asked));
    findings(md, "Evidence", &fault.evidence);
    findings(md, "Mechanism", &fault.mechanisms);
    if fault.recovered.is_empty() {
        return;
    }
    *md += "\n| Lost pod | Lost | Replaced by | Ready | Took |\n|---|---|---|---|---|\n";
    for pod in &fault.recovered {
        let took = if pod.took.is_empty() { "–" } else { &pod.took };
        line(
            md,
            &format!(
                "| {} | {} | {} | {} | {took} |",
                code_cell(&pod.pod),
                cell(&pod.lost),
                code_cell(&pod.by),
                cell(&pod.ready)
            ),
        );
    }
}

fn findings(md: &mut String, title: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    line(md, &format!("\n| {title} | State | Seen |"));
    line(md, "|---|---|---|");
    for item in findings {
        let state = format!("{} {}", item.tone.sign(), item.state);
        line(md, &format!("| {} | **{state}** | {} |", cell(&item.asked), cell(&item.seen)));
    }
}

fn indicators(md: &mut String, view: &View) {
    *md += "\n### Indicators\n\n| Indicator | From start to end | By phase |\n|---|---|---|\n";
    for figure in &view.figures {
        let drawn = spark(figure, &view.scene, 40);
        let by_phase: Vec<String> = figure
            .spreads
            .iter()
            .map(|s| {
                cell(&format!(
                    "{}: {} to {}, median {}",
                    s.phase, s.texts[0], s.texts[4], s.texts[2]
                ))
            })
            .collect();
        let name = format!("{}<br>{}", code_cell(&figure.name), cell(&figure.how));
        line(md, &format!("| {name} | `{drawn}` | {} |", by_phase.join("<br>")));
    }
}

fn timeline(md: &mut String, view: &View) {
    let shown: Vec<_> = view.timeline.entries.iter().filter(|entry| !entry.ordinary).collect();
    open(md, &format!("Timeline, from {}", view.scene.zero_text));
    *md += "| From zero | UTC | Kind | What |\n|---|---|---|---|\n";
    for entry in shown.iter().take(MOST) {
        let what = cell(&entry.text);
        line(md, &format!("| {} | {} | {} | {what} |", entry.after, entry.clock, entry.kind));
    }
    let more = view.timeline.entries.len() + view.timeline.left_out - shown.len().min(MOST);
    if more > 0 {
        line(md, &format!("\n{more} more events are in the report and the recording."));
    }
    *md += "\n</details>\n";
}

fn details(md: &mut String, title: &str, facts: &[Fact], lines: &[String]) {
    open(md, title);
    *md += "| | |\n|---|---|\n";
    for fact in facts {
        line(md, &format!("| {} | {} |", cell(&fact.name), cell(&fact.text)));
    }
    if !lines.is_empty() {
        *md += "\n";
    }
    for text in lines {
        line(md, &format!("- {}", code(text)));
    }
    *md += "\n</details>\n";
}

fn open(md: &mut String, title: &str) {
    *md += &format!("\n<details><summary>{}</summary>\n\n", prose(title));
}

fn line(md: &mut String, text: &str) {
    md.push_str(text);
    md.push('\n');
}

/// `████████░░░▏`: the room that was used, up to the bound.
fn bar(gauge: Gauge) -> String {
    const ROOM: usize = 30;
    let used = (gauge.used * ROOM as f64).round() as usize;
    let beyond = "█".repeat(used.saturating_sub(ROOM));
    format!("{}{}│{beyond}", "█".repeat(used.min(ROOM)), "░".repeat(ROOM.saturating_sub(used)))
}

/// Text as nothing but text: no markup, no HTML, and nobody is mentioned.
fn prose(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut last = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            // GitHub looks for mentions after it has decoded entities: only a break helps.
            '@' => safe.push_str("@\u{200b}"),
            // Inside a name an underscore means nothing, and a backslash would be in the way.
            '_' if last.is_alphanumeric() && chars.peek().is_some_and(|c| c.is_alphanumeric()) => {
                safe.push('_');
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            // An address would become a link that nobody here vouches for.
            ':' if chars.peek() == Some(&'/') => safe.push_str(":\u{200b}"),
            other => safe.push(other),
        }
        last = c;
    }
    safe
}

/// As [`prose`]: a cell of a table asks for no more.
fn cell(text: &str) -> String {
    prose(text)
}

/// Text as code, fenced so that no backtick inside can end it.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// As [`code`], in a table: there even in code a pipe would begin a new cell.
fn code_cell(text: &str) -> String {
    code(&text.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn part(sample: &fixture::Sample, from: &str, to: &str) -> String {
        let md = render(&View::new(&sample.subject()));
        let start = md.find(from).unwrap();
        md[start..start + md[start..].find(to).unwrap()].to_owned()
    }

    #[test]
    fn the_first_screen_answers_what_a_reader_asks() {
        insta::assert_snapshot!(part(&fixture::held_by_luck(), "## ", "### What"), @r"
        ## ✅ PASS: Held, but not for the reason claimed

        > If 30% of the API's pods are killed, p99 latency at the gateway stays under 200 ms.

        `api-survives-pod-loss` · run `20261123T021400Z-7f3a`

        | | |
        |---|---|
        | Did it hold? | ✓ **Yes: all 5 checks hold.** |
        | For the reason claimed? | ✗ **No: held, but not for the reason claimed. A near miss.**<br>app=api replaced within 30 s: 0 of 3 replaced |
        | How much room was left? | · **17 % of room left: 166 ms of 200 ms at worst, 02:15:09 (+9 s).**<br>`█████████████████████████░░░░░│`<br>tightest check: latency_p99.during.below<br>margin between 13 % and 25 % |
        | Was the fault real? | ✓ **Yes: 3 of 10 pods lost, 3 asked.**<br>at most 3 down at once, of 10 ready<br>33.1 pod-seconds of readiness lost<br>no pod outside the selector was lost<br>pods lost of app=api, at least 30 %: 3 of 10, by uid |
        | What can I not trust? | ? **5 things to keep in mind.**<br>latency_p99.after.recovers (after): 3 of 60 points have no number<br>latency_p99.after.within: 55 points are worth only 8.6 independent ones<br>latency_p99: up to 12 increments (0.0236 % of what was seen) went unseen with 3 series that ended; 17 were counted before the first scrape of 3 series that began<br>scrapes that failed: 4 refused and 1 timeout (of 1747)<br>1 line of metrics could not be read |
        ");
    }

    #[test]
    fn a_failed_check_shows_its_number() {
        insta::assert_snapshot!(part(&fixture::failed(), "### Checks", "| **✓"), @r"
        ### Checks

        | Verdict | Check | Observed | Margin | In breach | Worst point | Points |
        |---|---|---|---|---|---|---|
        | **✗ FAIL** | `latency_p99.during.below`<br>during: latency_p99 at most 200 ms | 238 ms<br>200 ms to 250 ms (bucket) | -19 %<br>-25 % to 0 % | 18 %<br>longest 7 s | 238 ms<br>02:15:09 (+9 s) | 40 of 40 |
        ");
    }

    #[test]
    fn names_stay_readable_and_markup_is_text() {
        assert_eq!(prose("latency_p99 at _x_"), "latency_p99 at \\_x\\_");
        assert_eq!(
            prose("<b>|@me ![x](http://y)"),
            "&lt;b&gt;\\|@\u{200b}me \\!\\[x\\](http:\u{200b}//y)"
        );
    }

    #[test]
    fn no_backtick_ends_code() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a``b"), "``` a``b ```");
        assert_eq!(code_cell("a|b"), "`a\\|b`");
    }
}
