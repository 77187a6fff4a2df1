//! `sources`: where numbers and objects come from, and the only place for variables.

use super::{Context, scrape::scrape};
use crate::hypothesis::{
    Reading,
    code::Code,
    fields::{self, Fields},
    model::{KubernetesSource, Login, MetricsSource, PrometheusSource, Sources},
    problem::Problem,
    raw::{Node, Value},
    substitute::{NotSubstituted, substitute},
    url,
};

/// The keys of `sources`.
pub(in crate::hypothesis) const KEYS: &[&str] = &["scrape", "prometheus", "kubernetes"];
/// The keys of `prometheus`.
pub(in crate::hypothesis) const PROMETHEUS_KEYS: &[&str] =
    &["url", "bearer_token_file", "basic_auth", "ca_file"];
/// The keys of `basic_auth`.
pub(in crate::hypothesis) const BASIC_AUTH_KEYS: &[&str] = &["username", "password_file"];
/// The keys of `kubernetes`.
pub(in crate::hypothesis) const KUBERNETES_KEYS: &[&str] = &["namespace", "kubeconfig", "context"];

/// Reads the section.
pub(super) fn sources(node: &Node, cx: &mut Context<'_>) -> Option<Sources> {
    let fields = Fields::of(node, "`sources`", KEYS, &mut cx.problems)?;
    let scrape = fields.get("scrape").map(|node| scrape(node, cx));
    let server = fields.get("prometheus").map(|node| prometheus(node, cx));
    let kubernetes = fields.get("kubernetes").map(|node| kubernetes(node, cx));
    let metrics = match (scrape, server) {
        (Some(_), Some(_)) => {
            let span = fields.key("prometheus").map_or(fields.span, |key| key.span);
            let message = "`scrape` and `prometheus` exclude each other";
            let hint = "every number of a run comes from one source; keep one of them";
            cx.report(Problem::new(Code::ExactlyOne, span, message).hint(hint));
            return None;
        }
        (Some(scrape), None) => Some(MetricsSource::Scrape(scrape?)),
        (None, Some(server)) => Some(MetricsSource::Prometheus(server?)),
        (None, None) => None,
    };
    let kubernetes = match kubernetes {
        Some(source) => Some(source?),
        None => None,
    };
    Some(Sources { metrics, kubernetes })
}

fn prometheus(node: &Node, cx: &mut Context<'_>) -> Option<PrometheusSource> {
    let fields = Fields::of(node, "`prometheus`", PROMETHEUS_KEYS, &mut cx.problems)?;
    let url = fields.need("url", "url: \"${PROMETHEUS_URL}\"", &mut cx.problems);
    let url = url.and_then(|node| {
        let base = address(node, "`url`", cx)?;
        if url::has_query(&base) && !unresolved(&base, cx) {
            let message = "the address of a server has no `?` part";
            let hint = "the program adds the query itself: write the address up to the `?`";
            cx.report(Problem::new(Code::BadUrl, node.span, message).hint(hint));
            return None;
        }
        Some(base)
    });
    let login = login(&fields, cx);
    let ca_file = optional(&fields, "ca_file", cx);
    Some(PrometheusSource { url: url?, login: login?, ca_file })
}

fn login(fields: &Fields<'_>, cx: &mut Context<'_>) -> Option<Login> {
    let token = optional(fields, "bearer_token_file", cx);
    let basic = fields.get("basic_auth").map(|node| basic_auth(node, cx));
    match (token, basic) {
        (Some(_), Some(_)) => {
            let span = fields.key("basic_auth").map_or(fields.span, |key| key.span);
            let message = "`bearer_token_file` and `basic_auth` exclude each other";
            let hint = "a server is told once who asks; keep one of them";
            cx.report(Problem::new(Code::ExactlyOne, span, message).hint(hint));
            None
        }
        (Some(file), None) => Some(Login::BearerToken { file }),
        (None, Some(basic)) => basic,
        (None, None) => Some(Login::None),
    }
}

fn basic_auth(node: &Node, cx: &mut Context<'_>) -> Option<Login> {
    let fields = Fields::of(node, "`basic_auth`", BASIC_AUTH_KEYS, &mut cx.problems)?;
    let username = fields.need("username", "username: homeostat", &mut cx.problems);
    let username = username.and_then(|node| required(node, "`username`", cx));
    let file = "password_file: /var/run/secrets/password";
    let file = fields.need("password_file", file, &mut cx.problems);
    let file = file.and_then(|node| required(node, "`password_file`", cx));
    Some(Login::Basic { username: username?, password_file: file? })
}

fn kubernetes(node: &Node, cx: &mut Context<'_>) -> Option<KubernetesSource> {
    let fields = Fields::of(node, "`kubernetes`", KUBERNETES_KEYS, &mut cx.problems)?;
    let namespace = fields.need("namespace", "namespace: shop", &mut cx.problems);
    let namespace = namespace.and_then(|node| required(node, "`namespace`", cx));
    let kubeconfig = optional(&fields, "kubeconfig", cx);
    let context = optional(&fields, "context", cx);
    Some(KubernetesSource { namespace: namespace?, kubeconfig, context })
}

/// Addresses that can be asked.
pub(super) fn addresses(items: &[Node], what: &str, cx: &mut Context<'_>) -> Option<Vec<String>> {
    // All of them are read before one that is bad takes the list with it.
    let read: Vec<Option<String>> = items.iter().map(|item| address(item, what, cx)).collect();
    read.into_iter().collect()
}

/// An address that can be asked, its variables replaced.
pub(super) fn address(node: &Node, what: &str, cx: &mut Context<'_>) -> Option<String> {
    let address = required(node, what, cx)?;
    if unresolved(&address, cx) {
        return Some(address);
    }
    if let Some(secret) = url::secret_in(&address, written(node)) {
        let message = format!("{what}: {secret} in an address would be kept in every recording");
        let hint = "a token may come from a variable: `?token=${TOKEN}`; a user or password, from \
                    a proxy on the loopback that adds it";
        cx.report(Problem::new(Code::SecretInUrl, node.span, message).hint(hint));
        return None;
    }
    if let Some(why) = url::fault_of(&address) {
        let hint = "such as `http://127.0.0.1:9100/metrics`";
        cx.report(Problem::new(Code::BadUrl, node.span, format!("{what}: {why}")).hint(hint));
        return None;
    }
    Some(address)
}

/// An address as it stands in the file, its variables unreplaced.
fn written(node: &Node) -> &str {
    match &node.value {
        Value::Text(text) => text,
        Value::Null
        | Value::Bool(_)
        | Value::Whole(_)
        | Value::Number(_)
        | Value::List(_)
        | Value::Map(_) => "",
    }
}

/// Whether a text still has a variable in it, as one that was recorded may.
pub(super) fn unresolved(text: &str, cx: &Context<'_>) -> bool {
    match cx.reading {
        Reading::ToRun(_) => false,
        Reading::Recorded => text.contains("${"),
    }
}

/// A text with its variables replaced, which must say something.
pub(super) fn required(node: &Node, what: &str, cx: &mut Context<'_>) -> Option<String> {
    let text = replaced(node, what, cx)?;
    if text.trim().is_empty() {
        let message = format!("{what} is empty after its variables were replaced");
        let hint = "set the variable, or give a default that says something: `${NAME:-…}`";
        cx.report(Problem::new(Code::UnsetVariable, node.span, message).hint(hint));
        return None;
    }
    Some(text)
}

/// A text with its variables replaced; one that is empty then counts as absent.
pub(super) fn optional(fields: &Fields<'_>, key: &str, cx: &mut Context<'_>) -> Option<String> {
    let node = fields.get(key)?;
    replaced(node, &format!("`{key}`"), cx).filter(|text| !text.trim().is_empty())
}

fn replaced(node: &Node, what: &str, cx: &mut Context<'_>) -> Option<String> {
    let text = fields::text(node, what, &mut cx.problems)?;
    let outcome = match cx.reading {
        Reading::ToRun(variable) => substitute(text, variable),
        Reading::Recorded => substitute(text, &|_| None),
    };
    match (outcome, cx.reading) {
        (Ok(text), _) => Some(text),
        (Err(NotSubstituted::Unset(_)), Reading::Recorded) => Some(text.to_owned()),
        (Err(NotSubstituted::Unset(name)), Reading::ToRun(_)) => {
            let message = format!("the environment variable `{name}` is not set");
            let hint = format!("set it, or give a default: `${{{name}:-…}}`");
            cx.report(Problem::new(Code::UnsetVariable, node.span, message).hint(hint));
            None
        }
        (Err(NotSubstituted::Malformed(why)), _) => {
            let hint = "write `${NAME}` or `${NAME:-default}`; `$${` stands for `${` itself";
            cx.report(Problem::new(Code::BadSubstitution, node.span, why).hint(hint));
            None
        }
    }
}

/// A number that takes no variable: the analysis depends on it, and must find it in the text.
pub(super) fn literal<'n>(
    fields: &Fields<'n>,
    key: &str,
    cx: &mut Context<'_>,
) -> Option<&'n Node> {
    let node = fields.get(key)?;
    match &node.value {
        Value::Text(text) if text.contains("${") => {
            let message =
                format!("`{key}` takes no variable: a recording is judged by its text alone");
            let hint = "write the value itself";
            cx.report(Problem::new(Code::BadSubstitution, node.span, message).hint(hint));
            None
        }
        Value::Null
        | Value::Bool(_)
        | Value::Whole(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_) => Some(node),
    }
}
