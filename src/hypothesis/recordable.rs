//! The text of a hypothesis as a recording keeps it: as it was written, without secrets.
//!
//! The text must still be read, and judge the recording, when the secret is not there. So a
//! secret is taken out only where no judgement depends on it: in the program of a fault, in an
//! address, in a comment. Anywhere else the run is refused.

use super::{
    Hypothesis, Reading, check,
    model::{Fault, Login, MetricsSource, PrometheusSource, ScrapeSource, Sources},
};
use crate::redact::{REDACTED, Secrets};

/// What may stand in the place of a secret. The first is a list in YAML, wherever it begins a
/// scalar without quotes; the second is a text everywhere.
const MARKS: [&str; 2] = [REDACTED, "redacted"];

/// Why a text cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotRecordable {
    /// A secret stands where a judgement depends on it.
    #[error(
        "the value of `{variable}` stands in line {line}, where the recording could not be judged \
         without it; rename that, or unset the variable for this run"
    )]
    Needed {
        /// The environment variable.
        variable: String,
        /// The line in the text, from 1.
        line: usize,
    },
    /// A secret is not written out, so that it cannot be found in the text.
    #[error(
        "the value of `{variable}` is written with escapes or over several lines: write it out"
    )]
    Hidden {
        /// The environment variable.
        variable: String,
    },
}

/// The text without secrets. `text` is one that a hypothesis was read from.
pub(crate) fn recordable(text: &str, secrets: &Secrets) -> Result<String, NotRecordable> {
    let Some(written) = read(text) else { return Ok(secrets.redact(text)) };
    let mut kept = text.to_owned();
    // From the last to the first, so that the places before stay where they were found.
    for found in secrets.find(text).into_iter().rev() {
        let marked = MARKS.iter().find_map(|mark| {
            let mut marked = kept.clone();
            marked.replace_range(found.range.clone(), mark);
            read(&marked).is_some_and(|read| is_judged_alike(&written, read)).then_some(marked)
        });
        kept = marked.ok_or_else(|| NotRecordable::Needed {
            variable: found.variable.to_owned(),
            line: text[..found.range.start].matches('\n').count() + 1,
        })?;
    }
    // What YAML reads may say more than what stands in the text.
    let read = read(&kept).unwrap_or(written);
    match free_texts(&read).iter().find_map(|text| secrets.find(text).into_iter().next()) {
        Some(found) => Err(NotRecordable::Hidden { variable: found.variable.to_owned() }),
        None => Ok(kept),
    }
}

fn read(text: &str) -> Option<Hypothesis> {
    check(text, "", Reading::Recorded).hypothesis
}

/// Whether two hypotheses differ only in what no judgement depends on.
fn is_judged_alike(written: &Hypothesis, mut read: Hypothesis) -> bool {
    read.claim.clone_from(&written.claim);
    read.text_fingerprint.clone_from(&written.text_fingerprint);
    read.comparable_fingerprint.clone_from(&written.comparable_fingerprint);
    if let (Fault::Command(written), Fault::Command(read)) = (&written.fault, &mut read.fault) {
        if written.argv.len() != read.argv.len() {
            return false;
        }
        read.argv.clone_from(&written.argv);
        read.undo.clone_from(&written.undo);
    }
    lay_addresses(&written.sources, &mut read.sources);
    *written == read
}

/// Addresses and names of files, as in the substitution of variables: a judgement depends on what
/// came from there, not on where that was.
fn lay_addresses(from: &Sources, onto: &mut Sources) {
    match (&from.metrics, &mut onto.metrics) {
        (Some(MetricsSource::Scrape(from)), Some(MetricsSource::Scrape(onto))) => {
            let ScrapeSource { targets, http_sd, file_sd, ca_file, bearer_token_file, .. } = from;
            onto.targets.clone_from(targets);
            onto.http_sd.clone_from(http_sd);
            onto.file_sd.clone_from(file_sd);
            onto.ca_file.clone_from(ca_file);
            onto.bearer_token_file.clone_from(bearer_token_file);
        }
        (Some(MetricsSource::Prometheus(from)), Some(MetricsSource::Prometheus(onto))) => {
            onto.clone_from(from);
        }
        (Some(_) | None, Some(_) | None) => {}
    }
    if let (Some(from), Some(onto)) = (&from.kubernetes, &mut onto.kubernetes) {
        onto.kubeconfig.clone_from(&from.kubeconfig);
        onto.context.clone_from(&from.context);
    }
}

/// The texts that a secret may have been taken out of.
fn free_texts(hypothesis: &Hypothesis) -> Vec<&str> {
    let mut texts = vec![hypothesis.claim.as_str()];
    if let Fault::Command(command) = &hypothesis.fault {
        texts.extend(command.argv.iter().map(String::as_str));
        texts.extend(command.undo.iter().flatten().map(String::as_str));
    }
    match &hypothesis.sources.metrics {
        Some(MetricsSource::Scrape(scrape)) => {
            let ScrapeSource { targets, http_sd, file_sd, ca_file, bearer_token_file, .. } = scrape;
            let addresses = targets.iter().chain(http_sd).chain(file_sd);
            texts.extend(addresses.chain(ca_file).chain(bearer_token_file).map(String::as_str));
        }
        Some(MetricsSource::Prometheus(PrometheusSource { url, login, ca_file })) => {
            let login = match login {
                Login::None => Vec::new(),
                Login::BearerToken { file } => vec![file],
                Login::Basic { username, password_file } => vec![username, password_file],
            };
            texts.extend([url].into_iter().chain(login).chain(ca_file).map(String::as_str));
        }
        None => {}
    }
    if let Some(cluster) = &hypothesis.sources.kubernetes {
        texts.extend(cluster.kubeconfig.iter().chain(&cluster.context).map(String::as_str));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# made by hand
version: 1
name: probe
claim: Nothing is noticed.
phases: {before: 5s, during: 4s, after: 4s, step: 1s}
sources: {kubernetes: {namespace: shop, kubeconfig: config}}
fault: {command: {argv: [sh, -c, inject]}}
evidence: [{pods_lost: app=api, at_least: 1}]
indicators: {ready: {pods_ready: app=api}}
checks: [{indicator: ready, during: {above: 1}}]
"#;

    fn kept(from: &str, to: &str) -> Result<String, NotRecordable> {
        let text = TEXT.replace(from, to);
        assert!(read(&text).is_some(), "{:?}", check(&text, "", Reading::Recorded).problems);
        let secrets = Secrets::among([("A_TOKEN".to_owned(), "s3cret-1".to_owned())]);
        recordable(&text, &secrets)
    }

    #[track_caller]
    fn check_kept(from: &str, to: &str, want: &str) {
        assert_eq!(kept(from, to).unwrap(), TEXT.replace(from, want));
    }

    #[test]
    fn a_text_without_secrets_is_kept_as_it_was_written() {
        check_kept("inject", "inject", "inject");
    }

    #[test]
    fn a_secret_is_taken_out_of_the_program_of_a_fault() {
        check_kept("inject", "'echo s3cret-1'", "'echo [redacted]'");
        let undo = |text: &str| format!("inject], undo: [mend, \"{text}\"");
        check_kept("inject", &undo("s3cret-1"), &undo("[redacted]"));
        check_kept("inject", "'s3cret-1s3cret-1'", "'[redacted][redacted]'");
    }

    #[test]
    fn where_brackets_would_be_a_list_there_are_none() {
        check_kept("inject", "s3cret-1", "redacted");
        check_kept("inject", "echo s3cret-1 s3cret-1", "echo redacted redacted");
        check_kept(": Nothing", ": s3cret-1", ": redacted");
    }

    #[test]
    fn a_secret_is_taken_out_of_addresses_claims_and_comments() {
        check_kept(": config", ": '/s3cret-1/config'", ": '/[redacted]/config'");
        check_kept("claim: N", "claim: With s3cret-1 n", "claim: With [redacted] n");
        check_kept("made by hand", "s3cret-1", "[redacted]");
    }

    #[test]
    fn where_a_judgement_depends_on_it_the_text_is_refused() {
        for (from, to, line) in [
            ("name: probe", "name: s3cret-1", 3),
            ("app=api, at", "app=s3cret-1, at", 8),
            ("pods_ready: app=api", "pods_ready: app=s3cret-1", 9),
        ] {
            let variable = "A_TOKEN".to_owned();
            assert_eq!(kept(from, to), Err(NotRecordable::Needed { variable, line }), "{to}");
        }
    }

    #[test]
    fn one_that_is_not_written_out_is_refused() {
        let hidden = NotRecordable::Hidden { variable: "A_TOKEN".to_owned() };
        assert_eq!(kept("inject", "\"echo s3cret\\x2d1\""), Err(hidden));
    }
}
