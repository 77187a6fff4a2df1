//! The law: never a pass without evidence, traffic and coverage; never a fail that nobody saw;
//! never a lost finished phase; never an orphan. Held from outside, by what the lab and the proxy
//! know, and not by what homeostat says.

use std::{collections::BTreeMap, path::Path, time::Duration};

use camino::Utf8Path;
use homeostat::internals::{record, time::Time};
use serde_json::Value;

use super::{
    marked,
    plan::{End, Fault, Frozen, Stage},
    series::SeriesFault,
    switchboard::Scrape,
    trial::{AFTER, KILLED, OVER, REPLICAS, STEP, Trial},
    truth::{Look, answered, worst},
};
use crate::{judge::JUDGED, support::homeostat};

/// How far apart the same instant may lie for us and for homeostat.
const SLACK: Duration = Duration::from_millis(300);
/// The same for the edges of a phase, of which we read in a line of progress.
const EDGE: Duration = Duration::from_millis(1500);
/// Fewer requests than this in a phase are no traffic.
const TRAFFIC: f64 = 10.0;

/// What the law says of a trial.
pub(super) struct Finding {
    /// Each way in which it was broken.
    pub(super) broken: Vec<String>,
    /// The verdict on the recording, and its first ground; `-` when there is none.
    pub(super) verdict: String,
    pub(super) ground: String,
}

/// Holds a trial to the law. It ends the lab.
pub(super) fn hold(trial: Trial) -> Finding {
    let mut broken = Vec::new();
    ends_as_it_may(&trial, &mut broken);
    let mut judged = None;
    match &trial.run {
        Some(run) if run.join("run.json").is_file() => {
            judged = recording(&trial, run, &mut broken);
        }
        Some(_) if !trial.has_end(End::Kill) || !trial.stages.is_empty() => {
            broken.push("the run has no `run.json`".to_owned());
        }
        Some(_) | None => {}
    }
    if trial.run.is_none() && !trial.stages.is_empty() {
        broken.push("a phase has begun and nothing was recorded".to_owned());
    }
    if trial.done.code == Some(0) {
        pass_was_earned(&trial, &mut broken);
    }
    let pods_frozen =
        trial.plan.has(|fault| matches!(fault, Fault::Freeze(Frozen::Pod | Frozen::Lab)));
    if !pods_frozen && trial.lost.is_some_and(|lost| lost > KILLED) {
        broken.push(format!("{KILLED} pods were to be lost, {:?} were", trial.lost));
    }
    broken.extend(trial.orphans.iter().map(|who| format!("orphan of homeostat: {who}")));
    let Trial { lab, lab_mark, .. } = trial;
    drop(lab);
    broken.extend(marked::orphans(&lab_mark).iter().map(|who| format!("orphan of the lab: {who}")));
    let said = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let judged = judged.unwrap_or_default();
    let (verdict, ground) = (said(&judged["verdict"]), said(&judged["grounds"][0]["text"]));
    Finding { broken, verdict, ground }
}

/// Exit codes: only those that mean something, and only where they can.
fn ends_as_it_may(trial: &Trial, broken: &mut Vec<String>) {
    let ended = trial.plan.has(|fault| matches!(fault, Fault::End(_)));
    let known = match trial.done.code {
        Some(0 | 10 | 11) => true,
        Some(1) => !trial.plan.is_harmless(),
        Some(130) => ended,
        None => trial.has_end(End::Kill),
        Some(_) => false,
    };
    if !known {
        broken.push(format!("it ended with {:?}", trial.done.code));
    }
    if trial.plan.is_control() && trial.done.code != Some(0) {
        broken.push("nothing was broken and it did not pass".to_owned());
    }
    if trial.done.stderr.contains("panicked") {
        broken.push(format!("it panicked: {}", trial.done.stderr));
    }
}

/// What must be true of a recording, however its run ended. Returns the verdict on it.
fn recording(trial: &Trial, run: &Path, broken: &mut Vec<String>) -> Option<Value> {
    let read = || JUDGED.iter().map(|name| (*name, fs_err::read(run.join(name)).ok())).collect();
    let left: BTreeMap<&str, Option<Vec<u8>>> = read();
    let judge = || homeostat(["judge".as_ref(), run.as_os_str()]).run();
    let judged = judge();
    let first = read();
    if !matches!(judged.code, Some(0 | 10 | 11)) {
        broken.push(format!("`judge` ended with {:?}: {}", judged.code, judged.stderr.trim()));
        return None;
    }
    judge();
    if first != read() {
        broken.push("judged twice, it gives other bytes".to_owned());
    }
    let by_run = matches!(trial.done.code, Some(0 | 10 | 11));
    if by_run && (left != first || judged.code != trial.done.code) {
        broken.push(format!("`run` said {:?}, `judge` {:?}", trial.done.code, judged.code));
    }
    let (manifest, verdict) = (json(&run.join("run.json")), json(&run.join("verdict.json")));
    let is_complete = manifest["status"] == "complete";
    match judged.code {
        Some(0) if !is_complete => {
            broken.push(format!("a pass of a run that is {}", manifest["status"]));
        }
        Some(0) if !by_run => pass_was_earned(trial, broken),
        Some(10) => fail_was_seen(trial, &verdict, broken),
        Some(_) | None => {}
    }
    if trial.plan.is_harmless() {
        pods_are_known(&verdict, is_complete, broken);
    }
    let born = Fault::Series(SeriesFault::ErrorsBorn);
    if is_complete && trial.plan.faults.iter().map(|planned| planned.fault).eq([born]) {
        birth_counts(trial, &verdict, broken);
    }
    nothing_is_half_written(trial, run, broken);
    phases_are_kept(trial, run, &manifest, broken);
    Some(verdict)
}

/// Nothing was broken that anything rests on. A busy machine may lose pages, and may be slow to
/// replace pods, but what became of them is known.
fn pods_are_known(verdict: &Value, is_complete: bool, broken: &mut Vec<String>) {
    if is_complete && verdict["evidence"] != "confirmed" {
        broken.push(format!("pods were killed and watched: evidence {}", verdict["evidence"]));
    }
    let lists: &[&str] = if is_complete { &["steady", "checks"] } else { &["steady"] };
    for list in lists {
        let of_pods =
            |check: &&Value| check["id"].as_str().is_some_and(|id| id.starts_with("ready."));
        for check in verdict[list].as_array().into_iter().flatten().filter(of_pods) {
            if check["verdict"] == "inconclusive" {
                let (id, outcome) = (&check["id"], &check["verdict"]);
                broken.push(format!("pods were watched: {id} in {list} is {outcome}"));
            }
        }
    }
}

/// Nothing was wrong but a counter of errors that one page has and the page before it had not. It
/// began at 0 between the two: one point outside is a violation, whatever else was not seen.
fn birth_counts(trial: &Trial, verdict: &Value, broken: &mut Vec<String>) {
    let during = spans(trial).into_iter().find(|span| span.0 == Stage::During);
    let Some((_, from, to)) = during else { return };
    // Pages further apart may not lie in the window of one point.
    let near = |pair: &[Scrape]| pair[1].at.since(pair[0].at) < OVER / 2;
    let born = |pair: &&[Scrape]| errors_shown(pair, from, to) >= 0.15;
    if !trial.scrapes.windows(2).filter(born).any(near) {
        return;
    }
    let found = |list: &str, id: &str| {
        let mut checks = verdict[list].as_array().into_iter().flatten();
        checks.find(|check| check["id"] == id).cloned().unwrap_or_default()
    };
    let id = "error_ratio.during.below";
    let (before, check) = (found("steady", id), found("checks", id));
    if before["verdict"] == "pass" && check["verdict"] != "fail" {
        broken.push(format!("a counter of errors was born and {id} is {}", check["verdict"]));
    }
}

/// A pass: the fault happened, callers were there and were served, and we were seen to look.
fn pass_was_earned(trial: &Trial, broken: &mut Vec<String>) {
    if let Some(why) = trial.plan.never_passes() {
        broken.push(format!("a pass, and {why}"));
    }
    match trial.lost {
        Some(lost) if lost >= KILLED => {}
        lost => broken.push(format!("a pass, and {lost:?} of {REPLICAS} pods were lost")),
    }
    for (stage, from, to) in spans(trial) {
        let requests = answered(&trial.looks, from, to);
        if requests < TRAFFIC {
            broken.push(format!("a pass, and {requests} requests in {stage:?}"));
        }
    }
    for (stage, from, to) in grids(trial) {
        let unseen = unseen(&trial.scrapes, from, to);
        if !unseen.is_empty() {
            let at = unseen[0].since(trial.stages[0].1).as_secs_f64();
            broken.push(format!(
                "a pass, and {} points of {stage:?} cannot have a number, first {at:.1} s in",
                unseen.len()
            ));
        }
    }
    if let (Some(from), Some(to)) = (trial.began(Stage::During), trial.began(Stage::After)) {
        let saw = worst(&trial.looks, from, to);
        // Three times the bound over a second is more than the bound over two.
        if saw.errors >= 0.15 || saw.slow >= 0.05 {
            broken.push(format!("a pass, and callers saw {saw:?}"));
        }
    }
    for (stage, from, to) in spans(trial).into_iter().filter(|span| span.0 != Stage::Before) {
        // The windows of *during* reach beyond it, those of *after* do not.
        let edge = if stage == Stage::During { Duration::ZERO } else { EDGE };
        let shown = errors_shown(&trial.scrapes, from.plus(edge), to.minus(edge));
        if shown >= 0.15 {
            broken.push(format!("a pass, and pages showed {shown:.2} of errors in {stage:?}"));
        }
    }
    if let Some(blind) = trial.blind
        && !came_back(&trial.looks, trial.began(Stage::During), blind)
    {
        broken.push("a pass, and nobody may have seen the pods come back".to_owned());
    }
}

/// The greatest share of errors between two readable pages, the second of them in a stretch.
fn errors_shown(scrapes: &[Scrape], from: Time, to: Time) -> f64 {
    let read: Vec<_> = scrapes
        .iter()
        .filter_map(|scrape| Some((scrape.at, scrape.total?, scrape.errors)))
        .collect();
    let share = |pair: &[(Time, f64, f64)]| {
        let [(_, total, errors), (at, more, wrong)] = *pair else { return None };
        (from <= at && at <= to && more > total).then(|| (wrong - errors) / (more - total))
    };
    read.windows(2).filter_map(share).fold(0.0, f64::max)
}

/// Whether all pods were ready again, after some were not, before nobody could watch them.
fn came_back(looks: &[Look], during: Option<Time>, blind: Time) -> bool {
    let seen = |look: &&Look| during.is_some_and(|from| look.at >= from) && look.at <= blind;
    let mut ready = looks.iter().filter(seen).map(|look| look.ready);
    ready.any(|ready| ready < REPLICAS) && ready.any(|ready| ready >= REPLICAS)
}

/// A fail: what failed did happen.
fn fail_was_seen(trial: &Trial, verdict: &Value, broken: &mut Vec<String>) {
    let Some(from) = trial.began(Stage::Before) else {
        broken.push("a fail before anything was watched".to_owned());
        return;
    };
    let saw = worst(&trial.looks, from, trial.ended.plus(OVER));
    let failed = verdict["checks"].as_array().into_iter().flatten();
    for check in failed.filter(|check| check["verdict"] == "fail") {
        let id = check["id"].as_str().unwrap_or_default();
        let was_so = match id.split('.').next() {
            Some("error_ratio") => {
                saw.errors >= 0.02 || errors_shown(&trial.scrapes, from, trial.ended) >= 0.02
            }
            Some("latency_p99") => saw.slow > 0.0,
            Some("ready") => stayed_unready(trial),
            Some(_) | None => false,
        };
        if !was_so {
            broken.push(format!(
                "a fail of {id} (observed {}), and callers saw {saw:?}",
                check["observed"]
            ));
        }
    }
}

/// Whether some pods may really have been not ready for about as long as the hypothesis allows.
fn stayed_unready(trial: &Trial) -> bool {
    let Some(during) = trial.began(Stage::During) else { return false };
    let late = during.plus(Duration::from_secs(7));
    let looks = trial.looks.iter().filter(|look| look.at >= late && look.at <= trial.ended);
    let ready: Vec<usize> = looks.map(|look| look.ready).collect();
    // A machine too busy to look at says nothing either way.
    ready.len() < 3 || ready.iter().any(|ready| *ready < REPLICAS)
}

fn nothing_is_half_written(trial: &Trial, run: &Path, broken: &mut Vec<String>) {
    let names = fs_err::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name());
    for name in names.filter_map(|name| name.into_string().ok()) {
        // Only a run that was ended at once may leave what the format calls temporary.
        let unfinished = name.starts_with('.') || name.starts_with("raw.part-");
        let at_once = trial.has_end(End::Kill) || trial.has_end(End::TermTwice);
        if unfinished && !at_once {
            broken.push(format!("`{name}` is left behind"));
        }
    }
}

/// Each phase that was over is in the recording, with the samples that were scraped in it.
fn phases_are_kept(trial: &Trial, run: &Path, manifest: &Value, broken: &mut Vec<String>) {
    let recording = match record::open(Utf8Path::from_path(run).unwrap()) {
        Ok(recording) => recording,
        Err(error) => {
            broken.push(format!("it does not open: {error}"));
            return;
        }
    };
    for (stage, from, to) in spans(trial) {
        let name = format!("{stage:?}").to_lowercase();
        let phases = &recording.manifest.phases;
        let Some(phase) = phases.iter().find(|phase| phase.phase.name() == name) else {
            broken.push(format!("{name} was over and is lost ({})", manifest["status"]));
            continue;
        };
        // Whoever was frozen goes on for longer, and cannot say so in time.
        let thawed = trial.plan.has(|fault| fault == Fault::Freeze(Frozen::Homeostat));
        let late = !thawed && phase.end > to.plus(EDGE);
        if apart(phase.start, from) > EDGE || phase.end.plus(EDGE) < to || late {
            let (start, end) = (phase.start, phase.end);
            broken.push(format!("{name} was {from} to {to}, and is recorded {start} to {end}"));
        }
        let inside = |at: Time| from.plus(EDGE) <= at && at.plus(EDGE) < to;
        let asked = trial.scrapes.iter().filter(|scrape| inside(scrape.at)).count();
        let kept: usize = recording
            .observed
            .raw
            .of_metric("up")
            .filter(|series| series.labels.get("job") == Some("gateway"))
            .map(|series| series.times.iter().filter(|at| from <= **at && **at < to).count())
            .sum();
        if kept < asked {
            broken.push(format!("{name} has {kept} scrapes of the gateway, {asked} were made"));
        }
    }
}

/// The phases that were over when homeostat ended, from when to when.
fn spans(trial: &Trial) -> Vec<(Stage, Time, Time)> {
    let mut spans: Vec<_> =
        trial.stages.windows(2).map(|pair| (pair[0].0, pair[0].1, pair[1].1)).collect();
    // A run that said its verdict has seen the end of *after*.
    if let Some(after) = trial.began(Stage::After)
        && matches!(trial.done.code, Some(0 | 10 | 11))
    {
        spans.push((Stage::After, after, after.plus(AFTER).min(trial.ended)));
    }
    spans
}

/// The points that belong to each phase for certain, for an indicator over [`OVER`].
fn grids(trial: &Trial) -> Vec<(Stage, Time, Time)> {
    let grid = |(stage, from, to): (Stage, Time, Time)| match stage {
        Stage::During => (stage, from, to.plus(OVER)),
        Stage::Start | Stage::Before | Stage::After => (stage, from.plus(OVER), to),
    };
    spans(trial).into_iter().map(grid).collect()
}

/// The points that cannot have a number: fewer than two good pages in their window, or pages that
/// count no request between them.
fn unseen(scrapes: &[Scrape], from: Time, to: Time) -> Vec<Time> {
    let mut unseen = Vec::new();
    let mut at = from.plus(SLACK).ceil_to(STEP);
    while at.plus(SLACK) < to {
        let (oldest, newest) = (at.minus(OVER).minus(SLACK), at.plus(SLACK));
        let inside = scrapes.iter().filter(|scrape| oldest < scrape.at && scrape.at <= newest);
        let totals: Vec<f64> = inside.filter_map(|scrape| scrape.total).collect();
        let same = |pair: &[f64]| pair[0].total_cmp(&pair[1]).is_eq();
        if totals.len() < 2 || totals.windows(2).all(same) {
            unseen.push(at);
        }
        at = at.plus(STEP);
    }
    unseen
}

fn apart(a: Time, b: Time) -> Duration {
    a.since(b).max(b.since(a))
}

fn json(path: &Path) -> Value {
    let text = fs_err::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Trial {
    fn has_end(&self, end: End) -> bool {
        self.plan.has(|fault| fault == Fault::End(end))
    }
}

/// A scrape every half second, the pages of some of them spoilt or frozen.
#[track_caller]
fn check(pages: &str, want: usize) {
    let mut total = 0.0;
    let mut scrape = |(n, page): (i64, char)| {
        total += if page == 'f' { 0.0 } else { 1.0 };
        Scrape {
            at: Time::from_millis(n * 500),
            total: (page != '-').then_some(total),
            errors: 0.0,
        }
    };
    let scrapes: Vec<Scrape> = (0..).zip(pages.chars()).map(&mut scrape).collect();
    let end = Time::from_millis(i64::try_from(scrapes.len()).unwrap() * 500);
    assert_eq!(unseen(&scrapes, Time::from_millis(3_000), end).len(), want, "{pages}");
}

#[test]
fn a_point_without_two_pages_that_differ_is_unseen() {
    check("oooooooooooooooo", 0);
    check("oooooooo--oooooo", 0);
    check("oooooooo-------o", 5);
    check("ooooooooffffffff", 5);
}

#[test]
fn errors_count_between_the_pages_that_were_read() {
    let read = |n: i64, total: f64, errors: f64| Scrape {
        at: Time::from_millis(n * 500),
        total: Some(total),
        errors,
    };
    let lost = Scrape { at: Time::from_millis(500), total: None, errors: 9.0 };
    let scrapes = [read(0, 100.0, 0.0), lost, read(2, 200.0, 0.0), read(3, 400.0, 100.0)];
    let shown = |from, to| errors_shown(&scrapes, Time::from_millis(from), Time::from_millis(to));
    assert!((shown(0, 2_000) - 0.5).abs() < 1e-9);
    assert!(shown(0, 1_400).abs() < 1e-9);
}

#[test]
fn who_is_blind_before_the_last_pod_is_ready_has_not_seen_it() {
    let look = |(n, ready): (i64, usize)| {
        let at = Time::from_millis(n * 1_000);
        Look { at, total: 0.0, errors: 0.0, slow: 0.0, ready }
    };
    let looks: Vec<Look> = (0..).zip([6, 6, 4, 5, 6, 6]).map(look).collect();
    let seen = |blind| came_back(&looks, Some(Time::from_millis(1_000)), Time::from_millis(blind));
    assert_eq!((seen(1_500), seen(3_500), seen(4_500)), (false, false, true));
}
