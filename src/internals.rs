//! What the integration tests and the benches reach into. No interface: it changes without notice.

/// What a recording says.
pub mod analysis {
    pub use crate::analysis::{analyse, check_size};
}

/// The clock of a run.
pub mod clock {
    pub use crate::clock::Clock;
}

/// What the numbers of many runs say.
pub mod drift {
    pub use crate::drift::{
        Ahead, Alert, CONFIDENCE, Change, Direction, Estimate, Family, Finding, Forecast, History,
        Least, Needs, NoCrossing, Outlier, Reason, Regime, Row, Run, Sensitivity, Settings, Trend,
        TrendAnswer, find,
    };
}

/// The scanner of `/metrics` pages.
pub mod exposition {
    pub use crate::collect::scrape::exposition::{Format, Item, scan};
}

/// Programs as faults.
pub mod fault {
    pub use crate::fault::{FaultError, HeldCommand, Leftover, RunningCommand, hold};
}

/// Rows of a recording.
pub mod frame {
    pub use crate::frame::{
        AnswerRow, BadLine, BlindSpan, EventRow, FaultAction, FaultRow, Ledger, PodRow, QueryNote,
        RawRow, ReadySpan, SourceNote,
    };
}

/// Hypotheses and their problems.
pub mod hypothesis {
    pub use crate::hypothesis::{Code, Problems, Reading, check, load, parse};
}

/// A run on disk.
pub mod record {
    pub use crate::record::{
        FORMAT_VERSION, FaultNote, Manifest, PhaseEdges, Recording, Status, Writer, open,
        read_checks,
    };
}

/// What is secret.
pub mod redact {
    pub use crate::redact::Secrets;
}

/// Reports.
pub mod report {
    pub use crate::report::{Format, Style, Subject, View, render};
}

/// Labels of series.
pub mod sample {
    pub use crate::sample::Labels;
}

/// Points in time.
pub mod time {
    pub use crate::time::Time;
}

/// Verdicts.
pub mod verdict {
    pub use crate::verdict::{RunStatus, judge_all};
}

/// Phases.
pub mod window {
    pub use crate::window::Phase;
}
