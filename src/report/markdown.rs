//! `report.md`: the report for the summary of a CI step or a comment on a pull request.
//!
//! Plain GitHub-flavoured Markdown; of HTML only `<details>`, `<summary>`, `<br>` and `<code>`,
//! which GitHub keeps. Every text of the view goes through [`Markup`].

use super::{
    View,
    markup::{Markup, markup},
    spark::spark,
    view::{CheckView, Fact, Finding, Gauge},
};
use crate::verdict::Outcome;

/// How many entries of the timeline are shown; GitHub takes at most 1 MiB of a step summary.
const MOST: usize = 60;

/// The page that is being written.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &Markup) {
        self.0 += text.as_str();
        self.0.push('\n');
    }

    /// Lines of ours, as they stand.
    fn own(&mut self, text: &'static str) {
        self.0 += text;
    }
}

pub(super) fn render(view: &View) -> String {
    let mut md = Page::default();
    first_screen(&mut md, view);
    right(&mut md, view);
    md.own("\n### Checks\n\n");
    checks(&mut md, &view.checks);
    if !view.steady.is_empty() {
        md.own("\n### Steady state before\n\n");
        checks(&mut md, &view.steady);
    }
    fault(&mut md, view);
    indicators(&mut md, view);
    timeline(&mut md, view);
    details(&mut md, "Quality of the data", &view.trust.ledger, &view.trust.bad_lines);
    details(&mut md, "Method", &view.trust.method, &[]);
    details(&mut md, "Provenance", &view.provenance, &[]);
    md.0
}

fn first_screen(md: &mut Page, view: &View) {
    let sign = match view.outcome {
        Outcome::Pass => "✅",
        Outcome::Fail => "❌",
        Outcome::Inconclusive => "❔",
    };
    let (sign, word) = (Markup::own(sign), Markup::own(view.word()));
    md.line(&markup!("## {} {}: {}", sign, word, prose(&view.headline)));
    md.own("\n");
    md.line(&markup!("> {}", prose(&view.claim)));
    md.own("\n");
    md.line(&markup!("{} · run {}", code(&view.name), code(&view.run_id)));
    md.own("\n| | |\n|---|---|\n");
    for (place, answer) in view.answers.iter().enumerate() {
        let sign = Markup::own(answer.tone.sign());
        let mut said = vec![markup!("{} **{}**", sign, prose(&answer.text))];
        if let (2, Some(gauge)) = (place, view.gauge) {
            said.push(code(&bar(gauge)));
        }
        said.extend(answer.details.iter().map(|detail| prose(detail)));
        md.line(&markup!("| {} | {} |", Markup::own(answer.question), below(&said)));
    }
}

fn right(md: &mut Page, view: &View) {
    if view.right.is_empty() {
        return;
    }
    md.own("\n### What went right\n\n");
    for item in &view.right {
        md.line(&markup!("- {}", prose(item)));
    }
}

fn checks(md: &mut Page, checks: &[CheckView]) {
    md.own("| Verdict | Check | Observed | Margin | In breach | Worst point | Points |\n");
    md.own("|---|---|---|---|---|---|---|\n");
    for check in checks {
        let mut what = vec![code(&check.id), prose(&check.objective)];
        for reason in &check.reasons {
            what.push(markup!("⚠ {} ({})", prose(&reason.text), code(reason.code)));
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
        let word = markup!("{} {}", Markup::own(check.sign()), Markup::own(check.word()));
        let (what, between) = (below(&what), " | ");
        let cells = [what, observed, margin, breach, worst, points];
        md.line(&markup!("| **{}** | {} |", word, Markup::joined(&cells, between)));
    }
}

/// Texts below each other in one cell.
fn below(texts: &[Markup]) -> Markup {
    Markup::joined(texts, "<br>")
}

/// A text and what stands below it, in one cell.
fn two(text: &str, more: &[&str]) -> Markup {
    let first = if text.is_empty() { Markup::own("–") } else { prose(text) };
    let more = more.iter().filter(|more| !more.is_empty()).map(|more| prose(more));
    below(&std::iter::once(first).chain(more).collect::<Vec<_>>())
}

fn fault(md: &mut Page, view: &View) {
    let fault = &view.fault;
    md.own("\n### The fault\n\n");
    md.line(&prose(&fault.asked));
    findings(md, "Evidence", &fault.evidence);
    findings(md, "Mechanism", &fault.mechanisms);
    if fault.recovered.is_empty() {
        return;
    }
    md.own("\n| Lost pod | Lost | Replaced by | Ready | Took |\n|---|---|---|---|---|\n");
    for pod in &fault.recovered {
        let (lost, ready, took) = (prose(&pod.lost), prose(&pod.ready), two(&pod.took, &[]));
        let (pod, by) = (code(&pod.pod), code(&pod.by));
        md.line(&markup!("| {} | {} | {} | {} | {} |", pod, lost, by, ready, took));
    }
}

fn findings(md: &mut Page, title: &'static str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    md.line(&markup!("\n| {} | State | Seen |", Markup::own(title)));
    md.own("|---|---|---|\n");
    for item in findings {
        let state = markup!("{} {}", Markup::own(item.tone.sign()), Markup::own(item.state));
        md.line(&markup!("| {} | **{}** | {} |", prose(&item.asked), state, prose(&item.seen)));
    }
}

fn indicators(md: &mut Page, view: &View) {
    md.own("\n### Indicators\n\n| Indicator | From start to end | By phase |\n|---|---|---|\n");
    for figure in &view.figures {
        let drawn = code(&spark(figure, &view.scene, 40));
        let by_phase = figure.spreads.iter().map(|s| {
            let [least, _, median, _, most, _] = &s.texts;
            prose(&format!("{}: {least} to {most}, median {median}", s.phase))
        });
        let by_phase = below(&by_phase.collect::<Vec<_>>());
        let name = below(&[code(&figure.name), prose(&figure.how)]);
        md.line(&markup!("| {} | {} | {} |", name, drawn, by_phase));
    }
}

fn timeline(md: &mut Page, view: &View) {
    let shown: Vec<_> = view.timeline.entries.iter().filter(|entry| !entry.ordinary).collect();
    open(md, &format!("Timeline, from {}", view.scene.zero_text));
    md.own("| From zero | UTC | Kind | What |\n|---|---|---|---|\n");
    for entry in shown.iter().take(MOST) {
        let cells = [&entry.after, &entry.clock, entry.kind, &entry.text].map(prose);
        md.line(&markup!("| {} |", Markup::joined(&cells, " | ")));
    }
    let more = view.timeline.entries.len() + view.timeline.left_out - shown.len().min(MOST);
    if more > 0 {
        let more = prose(&more.to_string());
        md.line(&markup!("\n{} more events are in the report and the recording.", more));
    }
    md.own("\n</details>\n");
}

fn details(md: &mut Page, title: &str, facts: &[Fact], lines: &[String]) {
    open(md, title);
    md.own("| | |\n|---|---|\n");
    for fact in facts {
        md.line(&markup!("| {} | {} |", prose(&fact.name), prose(&fact.text)));
    }
    if !lines.is_empty() {
        md.own("\n");
    }
    for text in lines {
        md.line(&markup!("- {}", code(text)));
    }
    md.own("\n</details>\n");
}

fn open(md: &mut Page, title: &str) {
    md.line(&markup!("\n<details><summary>{}</summary>\n", prose(title)));
}

/// `████████░░░▏`: the room that was used, up to the bound.
fn bar(gauge: Gauge) -> String {
    const ROOM: usize = 30;
    let used = (gauge.used * ROOM as f64).round() as usize;
    let beyond = "█".repeat(used.saturating_sub(ROOM));
    format!("{}{}│{beyond}", "█".repeat(used.min(ROOM)), "░".repeat(ROOM.saturating_sub(used)))
}

fn prose(text: &str) -> Markup {
    Markup::prose(text)
}

fn code(text: &str) -> Markup {
    Markup::code(text)
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
}
