//! The codes of problems. They are interface: `docs/hypothesis.md` has a heading for each.

use std::fmt;

/// Whether a problem stops a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but the run would say less than it seems to.
    Warning,
}

impl Severity {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Declares the codes: one line each, so that none can lack a text or a severity.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $text:literal $severity:ident,)*) => {
        /// What kind of problem. A code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it is written: `unknown-key`.
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The code of that name.
            pub fn from_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.text() == text)
            }

            /// Whether it stops a run.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    /// There is nothing of that name.
    NoSuchFile "no-such-file" Error,
    /// A directory without hypotheses, a pipe, a socket, a device.
    NotAFile "not-a-file" Error,
    /// The system refuses to read it.
    UnreadableFile "unreadable-file" Error,
    /// It has more bytes than any hypothesis.
    FileTooLarge "file-too-large" Error,
    /// It is no text, or one in another encoding.
    NotUtf8 "not-utf8" Error,
    /// There is nothing in it, or only comments.
    EmptyFile "empty-file" Error,
    /// The text is not YAML, or uses more of YAML than a hypothesis may.
    Syntax "syntax" Error,
    /// It nests, repeats or lists more than any hypothesis.
    BeyondLimits "beyond-limits" Error,
    /// A second document in one file.
    SeveralDocuments "several-documents" Error,
    /// A key stands twice in one mapping.
    DuplicateKey "duplicate-key" Error,
    /// A value has another type than its key needs.
    WrongType "wrong-type" Error,
    /// A key has no meaning where it stands.
    UnknownKey "unknown-key" Error,
    /// A key that is needed is not there.
    MissingKey "missing-key" Error,
    /// None, or more than one, of several keys that exclude each other.
    ExactlyOne "exactly-one" Error,
    /// A key that does not go with the objective it stands beside.
    KeyNotHere "key-not-here" Error,
    /// A word that is none of the allowed ones.
    UnknownWord "unknown-word" Error,
    /// A number, duration, share or size that cannot be read or is out of range.
    BadQuantity "bad-quantity" Error,
    /// A bound in another unit than its indicator.
    UnitMismatch "unit-mismatch" Error,
    /// A selector that cannot be read.
    BadSelector "bad-selector" Error,
    /// A name or id with letters that it may not have.
    BadName "bad-name" Error,
    /// Another version of the format.
    BadVersion "bad-version" Error,
    /// An address that is not one.
    BadUrl "bad-url" Error,
    /// A password or token written into an address.
    SecretInUrl "secret-in-url" Error,
    /// A path that names no file of targets.
    BadPath "bad-path" Error,
    /// A variable that is not set and has no default.
    UnsetVariable "unset-variable" Error,
    /// A `${…}` that cannot be read.
    BadSubstitution "bad-substitution" Error,
    /// A `${…}` where nothing is substituted.
    SubstitutionNotHere "substitution-not-here" Warning,
    /// An indicator that is not defined.
    UnknownIndicator "unknown-indicator" Error,
    /// An indicator that nothing uses.
    UnusedIndicator "unused-indicator" Warning,
    /// Two checks with one id.
    DuplicateId "duplicate-id" Error,
    /// A hypothesis without checks.
    NoChecks "no-checks" Error,
    /// A fault without anything that would show it happened.
    NoEvidence "no-evidence" Error,
    /// Checks that look only at what was before the fault.
    OnlyBefore "only-before" Error,
    /// Evidence for a fault that is none.
    EvidenceWithoutFault "evidence-without-fault" Warning,
    /// Evidence that asks for more than the fault does.
    EvidenceBeyondFault "evidence-beyond-fault" Warning,
    /// Something of the format that this version cannot carry out.
    NotSupportedYet "not-supported-yet" Error,
    /// Pods or events are needed, and there is no Kubernetes source.
    NoKubernetesSource "no-kubernetes-source" Error,
    /// Metrics are needed, and there is no source of metrics.
    NoMetricsSource "no-metrics-source" Error,
    /// A scrape that takes longer than the time between scrapes.
    TimeoutOverInterval "timeout-over-interval" Error,
    /// A phase too short to have a point.
    PhaseTooShort "phase-too-short" Error,
    /// `over` is too short for the scrapes, or for the grid.
    OverTooShort "over-too-short" Warning,
    /// `over` is longer than *during*, so no point is of the fault alone.
    OverTooLong "over-too-long" Warning,
    /// The scale of the margin cannot be told from the bound.
    ScaleNeeded "scale-needed" Error,
    /// A range whose lower end is not below its upper end.
    EmptyRange "empty-range" Error,
    /// A bound that always holds, or never can.
    BoundOutOfRange "bound-out-of-range" Warning,
    /// A `hold` finer than one point of its phase.
    HoldTooFine "hold-too-fine" Warning,
    /// A `longest_breach` beside a `hold` that allows no breach.
    LongestBreachUnused "longest-breach-unused" Warning,
    /// A total of values that are not counts.
    TotalOfALevel "total-of-a-level" Warning,
    /// A comparison with too little to compare with.
    BaselineTooShort "baseline-too-short" Warning,
    /// A recovery that may end after the watching does.
    RecoveryNotWatched "recovery-not-watched" Warning,
    /// A recovery from nothing.
    RecoveryWithoutFault "recovery-without-fault" Warning,
    /// A guard that trips between two looks.
    GuardTooQuick "guard-too-quick" Warning,
    /// A histogram named by its buckets.
    BucketInName "bucket-in-name" Error,
    /// A counter used as a gauge.
    CounterAsGauge "counter-as-gauge" Warning,
    /// The reason of an event that Kubernetes writes otherwise.
    UnlikelyReason "unlikely-reason" Warning,
    /// Metrics that the killed pods serve themselves.
    WitnessIsVictim "witness-is-victim" Warning,
    /// A cadence no longer than a run.
    CadenceTooShort "cadence-too-short" Warning,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../docs/hypothesis.md");

    #[test]
    fn every_code_is_documented_with_its_severity() {
        for code in Code::ALL {
            let row = format!("| [`{code}`](#{code}) | {} |\n", code.severity().name());
            assert!(DOCS.contains(&row), "docs/hypothesis.md has no row `{row}`");
            assert!(DOCS.contains(&format!("\n### {code}\n")), "no heading for `{code}`");
        }
        let headings = DOCS.lines().filter(|line| line.starts_with("### ")).count();
        assert_eq!(headings, Code::ALL.len(), "a heading for something that is no code");
    }

    #[test]
    fn codes_are_kebab_case_and_differ() {
        let mut texts: Vec<&str> = Code::ALL.iter().map(|code| code.text()).collect();
        assert!(texts.iter().all(|text| {
            text.chars().all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit())
        }));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }
}
