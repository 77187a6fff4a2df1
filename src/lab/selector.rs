//! Label and field selectors, as the Kubernetes API reads them.

use serde_json::Value;

use super::store::Kind;

/// A selector of labels: `app=api,tier in (web, edge),!canary`. All terms must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSelector(Vec<(String, Test)>);

#[derive(Clone, Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl LabelSelector {
    /// Reads a selector; the error is the part that does not read.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        terms(text)
            .map(|term| parse_term(term).ok_or_else(|| term.to_owned()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether an object's labels hold all terms. A label that is absent is in no set.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(key, test)| {
            let value = object["metadata"]["labels"][key].as_str();
            let is_in = |set: &[String]| value.is_some_and(|v| set.iter().any(|s| s == v));
            match test {
                Test::In(set) => is_in(set),
                Test::NotIn(set) => !is_in(set),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
            }
        })
    }
}

/// The parts between commas, except those inside parentheses.
fn terms(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|term| !term.is_empty())
}

fn parse_term(term: &str) -> Option<(String, Test)> {
    if let Some(key) = term.strip_prefix('!') {
        return Some((name(key)?, Test::Absent));
    }
    if let Some((key, value)) = term.split_once("!=") {
        return Some((name(key)?, Test::NotIn(vec![word(value)?])));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Some((name(key)?, Test::In(vec![word(value)?])));
    }
    if let Some((head, set)) = term.strip_suffix(')').and_then(|term| term.split_once('(')) {
        let set = set.split(',').map(word).collect::<Option<Vec<_>>>()?;
        let (key, how) = head.trim().split_once(char::is_whitespace)?;
        return match how.trim() {
            "in" => Some((name(key)?, Test::In(set))),
            "notin" => Some((name(key)?, Test::NotIn(set))),
            _ => None,
        };
    }
    Some((name(term)?, Test::Exists))
}

fn name(text: &str) -> Option<String> {
    word(text).filter(|word| !word.is_empty())
}

fn word(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let text = text.trim();
    text.chars().all(allowed).then(|| text.to_owned())
}

/// A selector of fields: `metadata.name=x,status.phase!=Running`.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldSelector(Vec<(String, bool, String)>);

impl FieldSelector {
    /// Reads a selector of fields of a kind; the error is the message of the API.
    pub(super) fn parse(text: &str, kind: Kind) -> Result<Self, String> {
        let term = |term: &str| {
            let (label, equal, value) = if let Some((label, value)) = term.split_once("!=") {
                (label, false, value)
            } else if let Some((label, value)) =
                term.split_once("==").or_else(|| term.split_once('='))
            {
                (label, true, value)
            } else {
                return Err(format!("invalid selector: '{term}'; can't understand '{term}'"));
            };
            let pointer = pointer(kind, label)
                .ok_or_else(|| format!("field label not supported: {label}"))?;
            Ok((pointer, equal, value.to_owned()))
        };
        terms(text).map(term).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an object's fields hold all terms. An absent field is the empty text.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(pointer, equal, value)| {
            let field = object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            (field == value) == *equal
        })
    }
}

/// Where a field label of a kind is found in the stored object.
fn pointer(kind: Kind, label: &str) -> Option<String> {
    let fields: &[&str] = match kind {
        Kind::Pod => &["spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"],
        Kind::Event => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "type",
        ],
        Kind::Namespace => &["status.phase"],
        Kind::ReplicaSet | Kind::Deployment | Kind::Budget | Kind::Autoscaler => &[],
    };
    // The newer group of events has other names for two of the fields.
    let label = match (kind, label.strip_prefix("regarding.")) {
        (Kind::Event, Some(rest)) => format!("involvedObject.{rest}"),
        (Kind::Event, None) if label == "reportingController" => "reportingComponent".to_owned(),
        _ => label.to_owned(),
    };
    let common = ["metadata.name", "metadata.namespace"];
    let known = common.contains(&label.as_str()) || fields.contains(&label.as_str());
    known.then(|| format!("/{}", label.replace('.', "/")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(selector: &str, want: bool) {
        let object = json!({"metadata": {"labels": {"app": "api", "tier": "web"}}});
        let selector = LabelSelector::parse(selector).unwrap();
        assert_eq!(selector.matches(&object), want, "{selector:?}");
    }

    #[test]
    fn labels_are_compared_by_equality_sets_and_presence() {
        check("", true);
        check("app=api", true);
        check("app==api,tier=web", true);
        check("app=api,tier=edge", false);
        check("app!=api", false);
        check("tier in (edge, web),app", true);
        check("tier notin (edge, web)", false);
        check("!tier", false);
    }

    #[test]
    fn an_absent_label_differs_from_every_value() {
        check("canary!=yes,canary notin (a, b),!canary", true);
        check("canary", false);
        check("canary in (a)", false);
    }

    #[test]
    fn nonsense_names_its_part() {
        assert_eq!(LabelSelector::parse("app=api,a b").unwrap_err(), "a b");
        assert_eq!(LabelSelector::parse("=api").unwrap_err(), "=api");
    }

    #[test]
    fn fields_are_those_of_the_kind() {
        let object = json!({"metadata": {"name": "a"}, "status": {"phase": "Running"}});
        let parse = |text| FieldSelector::parse(text, Kind::Pod);
        assert!(parse("metadata.name=a,status.phase!=Failed").unwrap().matches(&object));
        assert!(!parse("status.phase=Failed").unwrap().matches(&object));
        assert_eq!(parse("spec.nope=x").unwrap_err(), "field label not supported: spec.nope");
    }

    #[test]
    fn events_are_found_by_either_name_of_their_object() {
        let object = json!({"involvedObject": {"uid": "u"}, "reportingComponent": "kubelet"});
        for text in ["involvedObject.uid=u", "regarding.uid=u,reportingController=kubelet"] {
            assert!(FieldSelector::parse(text, Kind::Event).unwrap().matches(&object), "{text}");
        }
    }
}
