//! The sections of the file as JSON Schema, in the order of the file.

use serde_json::{Value, json};

use super::{exactly_one, object, of, said, scrape::scrape};
use crate::hypothesis::check::{
    fault::SINCE_WORDS, objectives::LEVEL_KEYS, sources::BASIC_AUTH_KEYS,
};

/// The whole file.
pub(super) fn hypothesis() -> Value {
    object(
        "A claim about a system under a fault, and everything needed to try and judge it.",
        &["version", "name", "claim", "phases", "fault", "indicators", "checks"],
        &[
            ("version", json!({"description": "The version of this format.", "const": 1})),
            (
                "name",
                json!({
                    "description": "A DNS label: it becomes part of a path, and names the history.",
                    "type": "string",
                    "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
                    "examples": ["api-survives-pod-loss"],
                }),
            ),
            ("claim", said("What is believed, in people's words.", "words")),
            (
                "because",
                list(
                    "The mechanism that should absorb the fault; it is looked for, too.",
                    "mechanism",
                ),
            ),
            (
                "labels",
                json!({
                    "description": "Free labels, such as service and team.",
                    "type": "object",
                    "additionalProperties": of("words"),
                }),
            ),
            (
                "cadence",
                said("How often it is meant to run, so that a skipped run is seen.", "duration"),
            ),
            ("phases", phases()),
            ("sources", sources()),
            ("fault", fault()),
            (
                "evidence",
                list(
                    "What must be seen for the fault to count. `kill_pods` has a default.",
                    "evidence",
                ),
            ),
            (
                "indicators",
                json!({
                    "description": "The numbers that are watched, by name.",
                    "type": "object",
                    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,62}$"},
                    "additionalProperties": of("indicator"),
                }),
            ),
            (
                "checks",
                json!({
                    "description": "What must hold, and where.",
                    "type": "array",
                    "items": of("check"),
                    "minItems": 1,
                }),
            ),
            ("guard", list("When to stop early.", "guard")),
        ],
    )
}

fn list(description: &str, item: &str) -> Value {
    json!({"description": description, "type": "array", "items": of(item)})
}

fn phases() -> Value {
    object(
        "How long each phase lasts.",
        &["before", "during", "after"],
        &[
            ("before", said("The steady state that is watched first.", "duration")),
            ("during", said("The least length from the first injection on.", "duration")),
            ("after", said("What is watched after the fault.", "duration")),
            ("step", said("The distance of the points; 5s by default.", "duration")),
            (
                "during_at_most",
                said(
                    "The most that `during` lasts while replacements are awaited; twice `during` by default.",
                    "duration",
                ),
            ),
        ],
    )
}

fn sources() -> Value {
    let basic_auth = object(
        "The user that the server is asked as.",
        BASIC_AUTH_KEYS,
        &[
            ("username", said("Its name.", "substituted")),
            ("password_file", said("A file with its password.", "substituted")),
        ],
    );
    let mut prometheus = object(
        "A Prometheus-compatible server.",
        &["url"],
        &[
            ("url", of("address")),
            ("bearer_token_file", said("A file with the bearer token.", "substituted")),
            ("basic_auth", basic_auth),
            (
                "ca_file",
                said(
                    "PEM certificates that `https` is trusted by; by default the machine's.",
                    "substituted",
                ),
            ),
        ],
    );
    prometheus["not"] = json!({"required": ["bearer_token_file", "basic_auth"]});
    let kubernetes = object(
        "The cluster whose pods and events are watched.",
        &["namespace"],
        &[
            ("namespace", said("The namespace that is watched.", "substituted")),
            (
                "kubeconfig",
                said("A kubeconfig; when absent or empty, the usual places.", "substituted"),
            ),
            ("context", said("A context of it; when absent, the current one.", "substituted")),
        ],
    );
    let mut sources = object(
        "Where numbers and objects come from; the only place where variables are replaced.",
        &[],
        &[("scrape", scrape()), ("prometheus", prometheus), ("kubernetes", kubernetes)],
    );
    sources["not"] = json!({"required": ["scrape", "prometheus"]});
    sources
}

fn fault() -> Value {
    let mut kill_pods = object(
        "Deletes some of the pods that match, chosen at random among the ready ones.",
        &["selector"],
        &[
            ("selector", of("pods")),
            ("share", said("A share of them, rounded down.", "share")),
            ("count", json!({"description": "So many.", "type": "integer", "minimum": 1})),
            (
                "max",
                json!({"description": "The most that a share may come to.", "type": "integer", "minimum": 1}),
            ),
            (
                "grace",
                said("The grace period, in whole seconds; the pod's own by default.", "duration"),
            ),
            (
                "evict",
                json!({
                    "description": "Evicts instead of deleting, so that the server holds it to the PodDisruptionBudgets; `false` by default.",
                    "type": "boolean",
                }),
            ),
            (
                "unowned",
                json!({
                    "description": "Whether pods without a controller may be killed, which nothing puts back; `false` by default.",
                    "type": "boolean",
                }),
            ),
        ],
    );
    kill_pods["oneOf"] = exactly_one(&["share", "count"]);
    kill_pods["not"] = json!({"required": ["count", "max"]});
    let program = |description: &str| {
        json!({
            "description": description,
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
        })
    };
    let command = object(
        "Runs a program, with no shell. Without `argv` it is given after `--` on the command line.",
        &[],
        &[
            ("argv", program("Program and arguments.")),
            ("timeout", said("When it is ended; `during_at_most` by default.", "duration")),
            (
                "undo",
                program("What takes it back: run once when the fault is over, however it ended."),
            ),
        ],
    );
    let later =
        |what: &str| json!({"description": format!("{what} (not carried out by this version)")});
    let mut kinds = object(
        "What disturbs the system.",
        &[],
        &[
            ("kill_pods", kill_pods),
            ("command", command),
            ("manifest", later("Applies and deletes an object of an injector")),
            ("toxiproxy", later("Adds toxics to a proxy")),
            ("observe", later("Someone else injects")),
        ],
    );
    kinds["minProperties"] = json!(1);
    kinds["maxProperties"] = json!(1);
    json!({
        "description": "What disturbs the system; `none` is a placebo run.",
        "anyOf": [{"const": "none"}, kinds],
    })
}

/// One of `below`, `above` and `between`.
pub(super) fn level() -> Value {
    let mut level = object("A level; at the bound counts as inside.", &[], &bounds());
    level["oneOf"] = exactly_one(LEVEL_KEYS);
    level
}

fn bounds() -> [(&'static str, Value); 3] {
    [
        ("below", said("At most this.", "bound")),
        ("above", said("At least this.", "bound")),
        ("between", of("range")),
    ]
}

/// An item of `evidence`.
pub(super) fn evidence() -> Value {
    let lost = |key: &str, description: &str, selector: &str| {
        let amount = said("The least that must be lost.", "amount");
        object(description, &[key, "at_least"], &[(key, of(selector)), ("at_least", amount)])
    };
    json!({
        "description": "What must be seen, by someone other than the injector, for the fault to count.",
        "oneOf": [
            lost("pods_lost", "Pods were lost, counted by uid.", "pods"),
            lost("targets_lost", "Scrape targets went down or vanished: a selector of `up`.", "series"),
            reached("An indicator reached a level during the fault."),
        ],
    })
}

/// An item of `because`.
pub(super) fn mechanism() -> Value {
    let later = |key: &str| {
        let description = "A mechanism that this version cannot see.";
        object(description, &[key], &[(key, json!({}))])
    };
    json!({
        "description": "What should absorb the fault.",
        "oneOf": [
            object(
                "Every lost pod is replaced by one that becomes ready in time.",
                &["replaced", "within"],
                &[
                    ("replaced", of("pods")),
                    ("within", said("From the loss to the readiness of the replacement.", "duration")),
                ],
            ),
            reached("An indicator reaches a level during the fault."),
            later("hpa_scaled"),
            later("rescheduled"),
        ],
    })
}

fn reached(description: &str) -> Value {
    let since = json!({
        "description": "Since when it may be there: `fault` (not in *before*), or `before`, where it is meant to be there all along.",
        "enum": SINCE_WORDS,
        "default": "fault",
    });
    let keys = [("indicator", name()), ("during", of("level")), ("since", since)];
    object(description, &["indicator", "during"], &keys)
}

fn name() -> Value {
    said("The name of an indicator.", "words")
}

/// One check.
pub(super) fn check() -> Value {
    let at = |phase: &str| said(&format!("What must hold {phase} the fault."), "objective");
    let mut check = object(
        "An indicator held to an objective in a phase.",
        &["indicator"],
        &[
            ("indicator", name()),
            (
                "id",
                json!({
                    "description": "Its name in the history; by default indicator, phase and kind.",
                    "type": "string",
                    "pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,62}$",
                }),
            ),
            ("before", at("before")),
            ("during", at("during")),
            ("after", at("after")),
            ("recovers", of("recovers")),
        ],
    );
    check["oneOf"] = exactly_one(&["before", "during", "after", "recovers"]);
    check
}

/// What must hold in one phase.
pub(super) fn objective() -> Value {
    let [below, above, between] = bounds();
    let hold =
        || ("hold", said("The share of the points that must be inside; all by default.", "share"));
    let breach =
        || ("longest_breach", said("The longest stretch that may be outside.", "duration"));
    let gaps = || ("gaps", of("gaps"));
    let scale =
        || ("scale", said("The distance from the bound that counts as a margin of 1.", "bound"));
    let one_sided = |bound: (&'static str, Value)| {
        let keys = [bound.clone(), hold(), breach(), scale(), gaps()];
        object("It stays on one side of a bound.", &[bound.0], &keys)
    };
    json!({
        "description": "What must hold in this phase.",
        "oneOf": [
            one_sided(below),
            one_sided(above),
            object(
                "It stays between two bounds.",
                &["between"],
                &[between, hold(), breach(), gaps()],
            ),
            object(
                "Its mean differs from that of another phase by no more than this.",
                &["within", "of"],
                &[
                    ("within", said("`10%` of the other mean, or a bound in the indicator's unit.", "bound")),
                    ("of", json!({"description": "The other phase.", "enum": ["before", "during", "after"]})),
                    gaps(),
                ],
            ),
            object(
                "Its points add up to no more than this; for `event_count`.",
                &["total_at_most"],
                &[("total_at_most", json!({"type": "number", "minimum": 0})), gaps()],
            ),
        ],
    })
}

/// A recovery.
pub(super) fn recovers() -> Value {
    let [below, above, between] = bounds();
    let within = ("in", said("The time allowed, from the first injection on.", "duration"));
    let mut recovers = object(
        "It is back at a level, and stays, within a time from the first injection.",
        &["in"],
        &[below, above, between, within, ("gaps", of("gaps"))],
    );
    recovers["oneOf"] = exactly_one(LEVEL_KEYS);
    recovers
}

/// How much may be missing.
pub(super) fn gaps() -> Value {
    json!({
        "description": "How much of the phase may be missing; 5% and no more than 3 points in a row by default.",
        "anyOf": [
            of("share"),
            object(
                "A share, and the longest run of missing points.",
                &[],
                &[
                    ("share", of("share")),
                    ("longest", json!({"description": "In points.", "type": "integer", "minimum": 0})),
                ],
            ),
        ],
    })
}

/// A guard.
pub(super) fn guard() -> Value {
    let mut guard = object(
        "Ends the fault when an indicator is beyond a bound, or not seen at all, for a time.",
        &["indicator", "for"],
        &[
            ("indicator", name()),
            ("above", said("It trips at this or more.", "bound")),
            ("below", said("It trips at this or less.", "bound")),
            ("for", said("How long.", "duration")),
        ],
    );
    guard["oneOf"] = exactly_one(&["above", "below"]);
    guard
}
