//! Secrets of the environment, and the one way to take them out of a text.
//!
//! Whatever a run keeps or says goes through [`Secrets::redact`]: the recording and the journal
//! where they are written, progress, errors and log lines where they are printed. Reports are
//! made from a recording, so there is nothing left in them to take out.

use std::{fmt, ops::Range};

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// The fewest bytes of a secret. A shorter value would be found in half of any text, and a
/// reader could no longer tell a number from a secret.
pub(crate) const SHORTEST: usize = 6;

/// Parts of the name of a variable whose value is a secret, in upper case.
const WORDS: [&str; 5] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"];
/// How such a name may end.
const ENDING: &str = "_KEY";

/// The values of environment variables whose names say that they are secret, the longest first:
/// one may contain another.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<Secret>);

#[derive(Clone, PartialEq, Eq)]
struct Secret {
    variable: String,
    value: String,
}

/// A secret found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'s> {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// The variable whose value it is.
    pub variable: &'s str,
}

impl Secrets {
    /// The secrets among variables, given as name and value.
    ///
    /// A name counts when it contains `TOKEN`, `SECRET`, `PASSWORD`, `PASSWD` or `CREDENTIAL`, or
    /// ends with `_KEY`, in any case; a value when it has [`SHORTEST`] bytes or more. Space around
    /// a value is no part of it. Of variables with one value the first by name stands for it.
    pub fn among(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut secrets: Vec<Secret> = variables
            .into_iter()
            .filter(|(variable, _)| is_secret(variable))
            .map(|(variable, value)| Secret { variable, value: value.trim().to_owned() })
            // What is part of the mark itself cannot be hidden by it.
            .filter(|one| one.value.len() >= SHORTEST && !REDACTED.contains(&one.value))
            .collect();
        secrets.sort_by(|a, b| {
            let by_length = b.value.len().cmp(&a.value.len());
            by_length.then_with(|| a.value.cmp(&b.value)).then_with(|| a.variable.cmp(&b.variable))
        });
        secrets.dedup_by(|later, first| later.value == first.value);
        Self(secrets)
    }

    /// The text with [`REDACTED`] in the place of each secret.
    pub fn redact(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for found in self.find(text) {
            out.push_str(&text[end..found.range.start]);
            out.push_str(REDACTED);
            end = found.range.end;
        }
        out.push_str(&text[end..]);
        out
    }

    /// Where secrets stand in a text, in order and without overlap. Where two begin at one place,
    /// the longer is found.
    pub fn find(&self, text: &str) -> Vec<Found<'_>> {
        let mut next: Vec<Option<usize>> = self.0.iter().map(|one| text.find(&one.value)).collect();
        let (mut found, mut at) = (Vec::new(), 0);
        loop {
            for (one, place) in self.0.iter().zip(&mut next) {
                if place.is_some_and(|place| place < at) {
                    *place = text[at..].find(&one.value).map(|place| place + at);
                }
            }
            let places = self.0.iter().zip(&next).filter_map(|(one, place)| Some((one, (*place)?)));
            let Some((one, start)) = places.min_by_key(|(_, place)| *place) else { break };
            at = start + one.value.len();
            found.push(Found { range: start..at, variable: &one.variable });
        }
        found
    }

    /// The secret of a variable.
    pub fn value_of(&self, variable: &str) -> Option<&str> {
        let one = self.0.iter().find(|one| one.variable == variable)?;
        Some(&one.value)
    }

    /// Every secret, the longest first.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|one| one.value.as_str())
    }
}

/// The names only: what is printed to find a mistake is printed too.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|one| &one.variable)).finish()
    }
}

fn is_secret(variable: &str) -> bool {
    let variable = variable.to_uppercase();
    WORDS.iter().any(|word| variable.contains(word)) || variable.ends_with(ENDING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(variables: &[(&str, &str)]) -> Secrets {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Secrets::among(variables.iter().map(owned))
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], text: &str, want: &str) {
        assert_eq!(secrets(variables).redact(text), want);
    }

    #[test]
    fn the_name_of_a_variable_says_whether_its_value_is_secret() {
        for name in ["API_TOKEN", "my_secret", "PGPASSWORD", "DB_PASSWD", "CREDENTIALS", "X_KEY"] {
            check(&[(name, "s3cret")], "a s3cret b", "a [redacted] b");
        }
        for name in ["HOME", "KEY", "KEYBOARD", "PASS"] {
            check(&[(name, "s3cret")], "a s3cret b", "a s3cret b");
        }
    }

    #[test]
    fn a_short_value_is_no_secret() {
        check(&[("A_TOKEN", "12345")], "12345 samples", "12345 samples");
        check(&[("A_TOKEN", "123456")], "123456 samples", "[redacted] samples");
        check(&[("A_TOKEN", ""), ("B_TOKEN", "      ")], "a      b", "a      b");
    }

    #[test]
    fn the_longest_secret_at_a_place_is_taken_out_whole() {
        let variables = [("A_TOKEN", "s3cret"), ("B_TOKEN", "s3cret-2")];
        check(&variables, "s3cret-2, s3cret,s3crets3cret-2", {
            "[redacted], [redacted],[redacted][redacted]"
        });
    }

    #[test]
    fn what_was_redacted_stays_as_it_is() {
        let variables = [("A_TOKEN", "redacted"), ("B_TOKEN", "s3cret")];
        check(&variables, "s3cret and redacted", "[redacted] and redacted");
        check(&variables, "[redacted] and redacted", "[redacted] and redacted");
    }

    #[test]
    fn space_around_a_value_is_no_part_of_it() {
        check(&[("A_TOKEN", "s3cret\n")], "token=s3cret;", "token=[redacted];");
    }

    #[test]
    fn a_secret_is_found_with_its_variable_the_first_by_name() {
        let variables = [("B_TOKEN", "s3cret"), ("A_TOKEN", "s3cret"), ("C_TOKEN", "ümlaut")];
        let secrets = secrets(&variables);
        let found = secrets.find("x s3cret ümlaut");
        assert_eq!(
            found,
            [
                Found { range: 2..8, variable: "A_TOKEN" },
                Found { range: 9..16, variable: "C_TOKEN" },
            ]
        );
        assert_eq!(secrets.value_of("A_TOKEN"), Some("s3cret"));
        assert_eq!(secrets.value_of("B_TOKEN"), None);
    }

    #[test]
    fn debug_shows_names_and_no_value() {
        assert_eq!(format!("{:?}", secrets(&[("A_TOKEN", "s3cret")])), r#"["A_TOKEN"]"#);
    }
}
