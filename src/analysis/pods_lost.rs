//! Evidence that pods were lost to the fault.

use std::collections::BTreeSet;

use super::{
    EvidenceFinding, EvidenceState, Hit,
    confirm::required,
    losses::{Losses, blind_between, fault_span, losses, lost_before},
    words,
};
use crate::{
    frame::{FaultAction, FaultRow, Observed, Watched},
    hypothesis::{
        model::{Amount, Fault},
        selector::LabelSelector,
    },
};

/// What the injector says of the pods that evidence asks for. It only takes losses away from the
/// fault: the losses themselves are seen by the watch.
#[derive(Default)]
struct Injected<'a> {
    /// How many the fault was to hit; none when it does not say.
    asked: Option<usize>,
    /// The pods whose end it asked for, by uid; none when it does not say.
    killed: Option<BTreeSet<&'a str>>,
}

impl<'a> Injected<'a> {
    /// What it says of the pods of a selector. Only `kill_pods` says which, and only of the pods
    /// that it kills.
    fn of(fault: &Fault, selector: &LabelSelector, observed: &'a Observed) -> Self {
        let asked = observed.asked;
        match fault {
            Fault::KillPods(kill) if kill.selector == *selector => {
                let kills = |row: &&FaultRow| match row.action {
                    FaultAction::DeletePod | FaultAction::EvictPod => true,
                    FaultAction::CommandStarted
                    | FaultAction::CommandEnded
                    | FaultAction::BackgroundEnded
                    | FaultAction::Undone => false,
                };
                // A deletion that was refused killed nothing.
                let rows =
                    observed.fault.iter().filter(kills).filter(|row| row.may_have_been_done());
                let killed = rows.filter_map(|row| row.uid.as_deref()).collect();
                // Of a fault that somebody else injected there is no word of ours.
                Self { asked, killed: (!observed.fault.is_empty()).then_some(killed) }
            }
            Fault::KillPods(_) => Self::default(),
            Fault::None
            | Fault::Command(_)
            | Fault::Manifest(_)
            | Fault::Toxiproxy(_)
            | Fault::Observe(_) => Self { asked, killed: None },
        }
    }
}

/// Pods were lost to the fault, counted by uid.
///
/// Enough of them is confirmed, whether or not the watch was blind for a while; more than the
/// fault was to hit is larger. Fewer is smaller, and none is absent, only when the watch saw all
/// of the fault; otherwise it cannot be told.
///
/// A loss counts only if it can be the fault's. Where the injector says which pods it killed,
/// no others count. Elsewhere a pod that was lost in *before*, too, does not count, and when as
/// many pods were lost in *before* as are asked for, no loss says anything of the fault.
pub(super) fn pods_lost(
    fault: &Fault,
    selector: &LabelSelector,
    at_least: Amount,
    observed: &Observed,
) -> EvidenceFinding {
    let asked = format!("pods lost of {selector}, {}", words::at_least(at_least));
    let (state, seen) =
        find(&Injected::of(fault, selector, observed), selector, at_least, observed);
    EvidenceFinding { asked, state, seen }
}

fn find(
    injected: &Injected<'_>,
    selector: &LabelSelector,
    at_least: Amount,
    observed: &Observed,
) -> (EvidenceState, String) {
    if !observed.pods_watched {
        return (EvidenceState::Unknown, "pods were not watched".to_owned());
    }
    let (Some((from, to)), Some(losses)) = (fault_span(observed), losses(selector, observed))
    else {
        return (EvidenceState::Unknown, "nothing was injected".to_owned());
    };
    let Losses { population, hits } = losses;
    let (population, required) = (population.len(), required(at_least, population.len()));
    let before =
        if injected.killed.is_some() { Vec::new() } else { lost_before(selector, observed) };
    if hits.len() >= required && before.len() >= required {
        let at = words::when(before.iter().map(|(_, at)| *at));
        let seen = format!("already so before: {} pods lost in *before*,{at}", before.len());
        return (EvidenceState::Absent, seen);
    }
    let counts = |hit: &&Hit| match &injected.killed {
        Some(killed) => killed.contains(hit.uid.as_str()),
        None => before.iter().all(|(pod, _)| pod.uid != hit.uid),
    };
    let (counted, others): (Vec<&Hit>, Vec<&Hit>) = hits.iter().partition(counts);

    let to_hit = injected.asked.map_or(String::new(), |to_hit| format!(" ({to_hit} asked)"));
    let at = words::when(counted.iter().map(|hit| hit.at));
    let comma = if at.is_empty() { "" } else { "," };
    let mut seen = format!("{} of {population} pods lost{to_hit}{comma}{at}", counted.len());
    if !others.is_empty() {
        let why = match injected.killed {
            Some(_) => "lost that the injector did not kill",
            None => "not counted, lost before the fault, too",
        };
        seen.push_str(&format!("; {} more {why}", others.len()));
    }
    let state = if counted.len() >= required {
        let larger = injected.asked.is_some_and(|to_hit| hits.len() > to_hit);
        if larger { EvidenceState::Larger } else { EvidenceState::Confirmed }
    } else if blind_between(observed, Watched::Pods, from, to) {
        seen.push_str("; the watch was blind for a part");
        EvidenceState::Unknown
    } else if counted.is_empty() {
        EvidenceState::Absent
    } else {
        EvidenceState::Smaller
    };
    (state, seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::{at, secs},
            scene::{api, blind, pod, watched},
        },
        frame::PodRow,
        hypothesis::model::{KillMeans, KillPods, Unowned},
        number::Share,
        window::Window,
    };

    const SHARE: Amount = Amount::Share(Share::ALL);

    fn thirty() -> Amount {
        Amount::Share(Share::new(0.3).unwrap())
    }

    /// Ten pods, of which some are deleted one second after the injection.
    fn ten(deleted: usize) -> Observed {
        let pods = (0..10).map(|n| {
            let pod = pod(&format!("p{n}")).ready(0);
            if n < deleted { pod.deleted(61) } else { pod }
        });
        watched(pods.collect::<Vec<PodRow>>())
    }

    #[track_caller]
    fn check(observed: &Observed, at_least: Amount, to_hit: Option<usize>, want: &str) {
        let observed = Observed { asked: to_hit, ..observed.clone() };
        let found = pods_lost(&Fault::None, &api(), at_least, &observed);
        assert_eq!(format!("{}: {}", found.state.name(), found.seen), want);
    }

    #[test]
    fn as_many_as_asked_is_confirmed() {
        let want = "confirmed: 3 of 10 pods lost (3 asked), at 00:01:01 UTC";
        check(&ten(3), thirty(), Some(3), want);
        check(&ten(3), Amount::Count(3), None, "confirmed: 3 of 10 pods lost, at 00:01:01 UTC");
    }

    #[test]
    fn more_than_asked_is_larger() {
        let want = "larger: 4 of 10 pods lost (3 asked), at 00:01:01 UTC";
        check(&ten(4), thirty(), Some(3), want);
        // At least so many: more is no surprise when nobody said how many.
        check(&ten(4), thirty(), None, "confirmed: 4 of 10 pods lost, at 00:01:01 UTC");
    }

    #[test]
    fn fewer_is_smaller_and_none_is_absent() {
        let want = "smaller: 2 of 10 pods lost (3 asked), at 00:01:01 UTC";
        check(&ten(2), thirty(), Some(3), want);
        check(&ten(0), thirty(), Some(3), "absent: 0 of 10 pods lost (3 asked)");
    }

    #[test]
    fn no_share_is_so_small_that_nothing_would_do() {
        let tiny = Amount::Share(Share::new(0.01).unwrap());
        check(&ten(0), tiny, None, "absent: 0 of 10 pods lost");
        check(&ten(1), tiny, None, "confirmed: 1 of 10 pods lost, at 00:01:01 UTC");
        check(&watched(Vec::new()), SHARE, None, "absent: 0 of 0 pods lost");
    }

    #[test]
    fn blindness_hides_what_was_not_seen_only() {
        let mut observed = ten(2);
        observed.blind = vec![blind(70, 75)];
        let want = "unknown: 2 of 10 pods lost, at 00:01:01 UTC; the watch was blind for a part";
        check(&observed, thirty(), None, want);
        let want = "confirmed: 2 of 10 pods lost, at 00:01:01 UTC";
        check(&observed, Amount::Count(2), None, want);
        observed.blind = vec![blind(10, 20), blind(91, 95)];
        check(&observed, thirty(), None, "smaller: 2 of 10 pods lost, at 00:01:01 UTC");
    }

    #[test]
    fn unwatched_or_not_injected_is_unknown() {
        let mut observed = ten(3);
        observed.injected_at = None;
        check(&observed, thirty(), None, "unknown: nothing was injected");
        observed.pods_watched = false;
        check(&observed, thirty(), None, "unknown: pods were not watched");
    }

    fn kill(selector: LabelSelector) -> Fault {
        Fault::KillPods(KillPods {
            selector,
            amount: SHARE,
            grace: Some(secs(0)),
            means: KillMeans::Delete,
            unowned: Unowned::Refuse,
        })
    }

    /// The deletion of so many of the ten pods was asked for.
    #[track_caller]
    fn check_killed(killed: &[&str], lost: usize, at_least: Amount, want: &str) {
        let row = |name: &&str| FaultRow {
            at: at(60),
            action: FaultAction::DeletePod,
            object: (*name).to_owned(),
            uid: Some(format!("uid-{name}")),
            ok: true,
            detail: String::new(),
        };
        let mut fault: Vec<FaultRow> = killed.iter().map(row).collect();
        // One that was refused, of a pod that was lost all the same.
        fault.push(FaultRow { ok: false, detail: "forbidden".to_owned(), ..row(&"p2") });
        let observed = Observed { fault, asked: Some(killed.len()), ..ten(lost) };
        let found = pods_lost(&kill(api()), &api(), at_least, &observed);
        assert_eq!(format!("{}: {}", found.state.name(), found.seen), want);
    }

    #[test]
    fn only_the_pods_that_were_killed_count_where_they_are_known() {
        let one = "1 of 10 pods lost (2 asked), at 00:01:01 UTC; 2 more lost that the injector did not kill";
        check_killed(&["p0", "p5"], 3, Amount::Count(2), &format!("smaller: {one}"));
        check_killed(&["p0", "p5"], 3, Amount::Count(1), &format!("larger: {one}"));
        let none =
            "absent: 0 of 10 pods lost (1 asked); 1 more lost that the injector did not kill";
        check_killed(&["p5"], 1, Amount::Count(1), none);
        let all = "confirmed: 2 of 10 pods lost (2 asked), at 00:01:01 UTC";
        check_killed(&["p0", "p1"], 2, Amount::Count(2), all);
    }

    #[test]
    fn the_injector_speaks_of_the_pods_that_it_kills() {
        let web = LabelSelector::parse("app=web").unwrap();
        let observed = Observed { asked: Some(3), ..ten(3) };
        let found = pods_lost(&kill(web), &api(), thirty(), &observed);
        assert_eq!(found.seen, "3 of 10 pods lost, at 00:01:01 UTC");
    }

    #[test]
    fn a_pod_that_was_lost_before_too_says_nothing_of_the_fault() {
        let mut observed = ten(2);
        observed.pods[0] = pod("p0").ready(0).restarted(30).restarted(61);
        let one =
            "1 of 10 pods lost, at 00:01:01 UTC; 1 more not counted, lost before the fault, too";
        check(&observed, Amount::Count(2), None, &format!("smaller: {one}"));
        // As many were lost without the fault as are asked for.
        let before = "absent: already so before: 1 pods lost in *before*, at 00:00:30 UTC";
        check(&observed, Amount::Count(1), None, before);
        observed.pods[5] = pod("p5").ready(0).deleted(20);
        let before = "absent: already so before: 2 pods lost in *before*, at 00:00:20–00:00:30 UTC";
        observed.pods[3] = pod("p3").ready(0).deleted(70);
        check(&observed, Amount::Count(2), None, before);
        // What went before the run began is not of *before*.
        observed.phases.before = Some(Window::new(at(40), at(60)));
        let two = "confirmed: 3 of 9 pods lost, at 00:01:01–00:01:10 UTC";
        check(&observed, Amount::Count(2), None, two);
    }
}
