//! How far a run came that did not come to its end: which phase was cut, what was not reached.

use super::super::{
    Subject,
    text::{plain, seconds_text},
};
use crate::{analysis::EvidenceState, hypothesis::Hypothesis, record::Status, window::Phase};

/// What a reader must know of a run that is not whole, a sentence each; nothing for one that is.
pub(super) fn reach(subject: &Subject<'_>) -> Vec<String> {
    let status = match subject.manifest.status {
        Status::Complete => return Vec::new(),
        Status::NotInjected => {
            return vec!["nothing was injected, because before was not steady".to_owned()];
        }
        Status::Incomplete => incomplete(subject),
        Status::Interrupted => "the run was stopped before its end".to_owned(),
        Status::GuardTripped => "the run was stopped by its guard before its end".to_owned(),
    };
    let mut said = vec![status];
    said.extend(phases(subject));
    said.extend(awaited(subject));
    said
}

fn incomplete(subject: &Subject<'_>) -> String {
    let killed = "the recording is incomplete: the run was killed, or is still going on";
    match subject.manifest.phases.last() {
        Some(edges) => format!("{killed}; it was last saved at {}", edges.end.clock_text()),
        None => killed.to_owned(),
    }
}

/// The phases that are shorter than planned, and those that are not there.
fn phases(subject: &Subject<'_>) -> Vec<String> {
    if subject.manifest.phases.is_empty() {
        return vec!["no phase was begun".to_owned()];
    }
    let phase = |phase: Phase| {
        let Some(window) = subject.observed.phases.window(phase) else {
            return Some(format!("{phase} was not reached"));
        };
        let planned = planned(subject.hypothesis, phase);
        (window.length() < planned).then(|| {
            let [seen, planned] =
                [window.length(), planned].map(|length| seconds_text(length.as_secs_f64()));
            format!("{phase} was cut: {seen} of {planned} were recorded")
        })
    };
    Phase::ALL.into_iter().filter_map(phase).collect()
}

fn planned(hypothesis: &Hypothesis, phase: Phase) -> std::time::Duration {
    match phase {
        Phase::Before => hypothesis.phases.before,
        Phase::During => hypothesis.phases.during,
        Phase::After => hypothesis.phases.after,
    }
}

/// Evidence that a recording which ends in the middle of the fault may just not have come to.
fn awaited(subject: &Subject<'_>) -> Vec<String> {
    if subject.observed.phases.after.is_some() || subject.observed.injected_at.is_none() {
        return Vec::new();
    }
    let seen = |state| match state {
        EvidenceState::Confirmed | EvidenceState::Larger => true,
        EvidenceState::Smaller | EvidenceState::Absent | EvidenceState::Unknown => false,
    };
    let findings = subject.analysis.evidence.iter().filter(|finding| !seen(finding.state));
    findings.map(|f| format!("evidence not seen by then: {}", plain(&f.asked))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    /// What is said of the fixture's run with a status, when its last phases are taken away and
    /// the last of the rest is cut to some seconds.
    #[track_caller]
    fn check(status: Status, reached: usize, seconds: u64, want: &[&str]) {
        let mut sample = fixture::held();
        sample.manifest.status = status;
        sample.manifest.phases.truncate(reached);
        if let Some(last) = sample.manifest.phases.last_mut() {
            last.end = last.start.plus(std::time::Duration::from_secs(seconds));
        }
        let window = |phase| {
            let edges = sample.manifest.phases.iter().find(|edges| edges.phase == phase)?;
            Some(crate::window::Window::new(edges.start, edges.end))
        };
        sample.observed.phases = crate::window::Phases {
            before: window(Phase::Before),
            during: window(Phase::During),
            after: window(Phase::After),
        };
        assert_eq!(reach(&sample.subject()), want);
    }

    #[test]
    fn a_killed_run_says_where_it_was_cut() {
        const KILLED: &str =
            "the recording is incomplete: the run was killed, or is still going on";
        check(Status::Incomplete, 0, 0, &[KILLED, "no phase was begun"]);
        check(
            Status::Incomplete,
            1,
            3,
            &[
                &format!("{KILLED}; it was last saved at 02:14:03"),
                "before was cut: 3 s of 60 s were recorded",
                "during was not reached",
                "after was not reached",
            ],
        );
        check(
            Status::Incomplete,
            2,
            3,
            &[
                &format!("{KILLED}; it was last saved at 02:15:03"),
                "during was cut: 3 s of 40 s were recorded",
                "after was not reached",
            ],
        );
        check(Status::Incomplete, 3, 60, &[&format!("{KILLED}; it was last saved at 02:16:40")]);
    }

    #[test]
    fn a_run_that_was_stopped_says_where() {
        check(
            Status::Interrupted,
            3,
            3,
            &["the run was stopped before its end", "after was cut: 3 s of 60 s were recorded"],
        );
        check(Status::GuardTripped, 3, 60, &["the run was stopped by its guard before its end"]);
    }

    #[test]
    fn a_run_that_came_to_its_end_says_nothing() {
        check(Status::Complete, 3, 9999, &[]);
    }
}
