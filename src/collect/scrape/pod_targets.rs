//! Targets by the annotations of pods: `prometheus.io/scrape`, `port`, `path` and `scheme`.
//!
//! These are a convention, not part of Prometheus; the meaning here is that of the relabelling in
//! Prometheus' own example and in its Helm chart. It follows the watch of pods that there is
//! anyway, so a target ends in the moment in which its pod is seen to go.
//!
//! A pod is scraped while it is running and nobody asked for its deletion.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::core::v1::{Container, Pod};
use reqwest::Url;

use super::{
    groups::Found,
    relabel::Relabel,
    targets::{Named, Targets},
};
use crate::{
    collect::{
        kubernetes::{
            pods::PodFold,
            watch::{Fold, Step},
        },
        seen::Seen,
    },
    hypothesis::model::PodTargets,
    sample::Labels,
    time::Time,
};

/// Pods that are scraped, by uid.
#[derive(Debug)]
pub(super) struct PodDiscovery {
    wanted: Vec<PodTargets>,
    targets: Targets,
    relabel: Relabel,
    known: HashMap<String, Known>,
    /// The uids of the list that is being received.
    listed: HashSet<String>,
}

/// A pod of which something was named or said.
#[derive(Debug)]
struct Known {
    named: Named,
    said: Vec<String>,
}

/// The lives of pods, and the targets among them, from one watch.
#[derive(Debug)]
pub(in crate::collect) struct LivesAndTargets {
    pub(super) lives: PodFold,
    pub(super) targets: PodDiscovery,
}

impl Fold<Pod> for LivesAndTargets {
    fn step(&mut self, step: Step<Pod>, at: Time) -> Vec<Seen> {
        let mut seen = self.targets.step(&step);
        seen.extend(self.lives.step(step, at));
        seen
    }
}

impl PodDiscovery {
    pub(super) fn new(wanted: Vec<PodTargets>, targets: Targets, relabel: Relabel) -> Self {
        Self { wanted, targets, relabel, known: HashMap::new(), listed: HashSet::new() }
    }

    fn step(&mut self, step: &Step<Pod>) -> Vec<Seen> {
        match step {
            Step::List => {
                self.listed.clear();
                Vec::new()
            }
            Step::Listed(pod) => {
                self.listed.extend(pod.metadata.uid.clone());
                self.show(pod)
            }
            Step::ListDone => {
                let listed = std::mem::take(&mut self.listed);
                for (_, mut known) in self.known.extract_if(|uid, _| !listed.contains(uid)) {
                    known.named.become_what_was(&Found::default());
                }
                Vec::new()
            }
            Step::Changed(pod) => self.show(pod),
            Step::Deleted(pod) => {
                pod.metadata.uid.iter().for_each(|uid| self.forget(uid));
                Vec::new()
            }
        }
    }

    fn forget(&mut self, uid: &str) {
        if let Some(mut known) = self.known.remove(uid) {
            known.named.become_what_was(&Found::default());
        }
    }

    /// Follows what a pod names now; a problem is said when it is new.
    fn show(&mut self, pod: &Pod) -> Vec<Seen> {
        let Some(uid) = &pod.metadata.uid else { return Vec::new() };
        let labels = labels(pod);
        let wanted = self.wanted.iter().find(|wanted| wanted.selector.matches(&labels));
        let Some(wanted) = wanted else {
            // Its labels may have been others before.
            self.forget(uid);
            return Vec::new();
        };
        let found = found(pod, &labels, wanted, &self.relabel);
        let fresh = || Known { named: Named::none(self.targets.clone()), said: Vec::new() };
        let known = self.known.entry(uid.clone()).or_insert_with(fresh);
        let problems = known.named.become_what_was(&found);
        let new = problems.iter().filter(|why| !known.said.contains(why));
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let address = format!("pods {}", wanted.selector);
        let seen = new.map(|why| Seen::DiscoveryFailed {
            address: address.clone(),
            why: format!("pod `{name}`: {why}"),
        });
        let seen = seen.collect();
        known.said = problems;
        seen
    }
}

/// What a pod asks for: the port of its annotation, else every port that its containers name.
fn found(pod: &Pod, labels: &Labels, wanted: &PodTargets, relabel: &Relabel) -> Found {
    let mut found = Found::default();
    if annotation(pod, "scrape") != Some("true") || !is_running(pod) {
        return found;
    }
    let Some(ip) = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()) else {
        return found;
    };
    let ports = match annotation(pod, "port") {
        Some(text) => match text.parse::<u16>() {
            Ok(port) if port > 0 => vec![port],
            Ok(_) | Err(_) => {
                found.problems.push(format!("`prometheus.io/port` is `{text}`, which is no port"));
                return found;
            }
        },
        None => container_ports(pod),
    };
    if ports.is_empty() {
        let why = "it has neither `prometheus.io/port` nor a container with a port";
        found.problems.push(why.to_owned());
    }
    let series = series_labels(pod, labels, wanted);
    for port in ports {
        let url = address(pod, ip, port);
        match url.and_then(|url| relabel.target(url, series.clone())) {
            Ok(target) => found.targets.extend(target),
            Err(why) => found.problems.push(why),
        }
    }
    found
}

fn address(pod: &Pod, ip: &str, port: u16) -> Result<Url, String> {
    let scheme = annotation(pod, "scheme").unwrap_or("http");
    if !matches!(scheme, "http" | "https") {
        return Err(format!("`prometheus.io/scheme` is `{scheme}`, neither http nor https"));
    }
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let mut url = Url::parse(&format!("{scheme}://{host}:{port}"))
        .map_err(|error| format!("its address `{ip}`: {error}"))?;
    url.set_path(annotation(pod, "path").unwrap_or("/metrics"));
    Ok(url)
}

/// The labels of all series of a pod. Its own labels are not among them: whoever needs one of
/// them finds it in `pods.parquet` by the pod's name.
fn series_labels(pod: &Pod, labels: &Labels, wanted: &PodTargets) -> Labels {
    let mut series = Labels::default();
    let called = PodTargets::APPLICATION_LABELS.iter().find_map(|name| labels.get(name));
    if let Some(job) = wanted.job.as_deref().or(called) {
        series.set("job", job);
    }
    let spec = pod.spec.as_ref();
    for (name, value) in [
        ("namespace", pod.metadata.namespace.as_deref()),
        ("pod", pod.metadata.name.as_deref()),
        ("node", spec.and_then(|spec| spec.node_name.as_deref())),
    ] {
        series.set(name, value.unwrap_or_default());
    }
    for (name, value) in labels.iter() {
        // For `keep` and `drop`; by the names that Prometheus gives them.
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = name.chars().map(plain).collect();
        series.set(&format!("__meta_kubernetes_pod_label_{name}"), value);
    }
    series
}

/// Without repetition, in the order of the containers.
fn container_ports(pod: &Pod) -> Vec<u16> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let ports = containers.flat_map(|container: &Container| container.ports.iter().flatten());
    let tcp = ports.filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP");
    let mut found = Vec::new();
    for port in tcp.filter_map(|port| u16::try_from(port.container_port).ok()) {
        if port > 0 && !found.contains(&port) {
            found.push(port);
        }
    }
    found
}

fn is_running(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

fn annotation<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let annotations = pod.metadata.annotations.as_ref()?;
    annotations.get(&format!("prometheus.io/{name}")).map(String::as_str).filter(|t| !t.is_empty())
}

fn labels(pod: &Pod) -> Labels {
    let labels = pod.metadata.labels.iter().flatten();
    Labels::new(labels.map(|(n, v)| (n.clone(), v.clone())))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        collect::scrape::{open_files::OpenFiles, testing},
        hypothesis::selector::LabelSelector,
    };

    fn pod(annotations: Value, change: impl FnOnce(&mut Value)) -> Pod {
        let mut pod = json!({
            "metadata": {
                "name": "api-1", "namespace": "shop", "uid": "u",
                "labels": {"app": "api"}, "annotations": annotations,
            },
            "spec": {"nodeName": "n1", "containers": [
                {"name": "a", "ports": [{"containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"}]},
                {"name": "b", "ports": [{"containerPort": 9090}, {"containerPort": 8080}]},
                {"name": "c"},
            ]},
            "status": {"phase": "Running", "podIP": "10.0.0.7"},
        });
        change(&mut pod);
        serde_json::from_value(pod).unwrap()
    }

    fn said(pod: &Pod, job: Option<&str>) -> Vec<String> {
        let selector = LabelSelector::parse("app=api").unwrap();
        let wanted = PodTargets { selector, job: job.map(str::to_owned) };
        let found = found(pod, &labels(pod), &wanted, &Relabel::default());
        let targets = found.targets.iter().map(|t| format!("{} {}", t.url, t.labels));
        targets.chain(found.problems).collect()
    }

    #[track_caller]
    fn check(annotations: Value, want: &[&str]) {
        let got = said(&pod(annotations, |_| ()), Some("j"));
        let rest = |port| {
            format!(
                " {{instance=\"10.0.0.7:{port}\",job=\"j\",namespace=\"shop\",node=\"n1\",pod=\"api-1\"}}"
            )
        };
        let got: Vec<String> = got
            .iter()
            .map(|line| {
                line.replace(&rest(8080), "").replace(&rest(9090), "").replace(&rest(1), "")
            })
            .collect();
        assert_eq!(got, want);
    }

    #[test]
    fn annotations_say_whether_and_where_a_pod_is_scraped() {
        check(
            json!({"prometheus.io/scrape": "true", "prometheus.io/port": "1"}),
            &["http://10.0.0.7:1/metrics"],
        );
        check(
            json!({"prometheus.io/scrape": "true", "prometheus.io/port": "1", "prometheus.io/path": "/m", "prometheus.io/scheme": "https"}),
            &["https://10.0.0.7:1/m"],
        );
        check(json!({"prometheus.io/scrape": "false", "prometheus.io/port": "1"}), &[]);
        check(json!({"prometheus.io/port": "1"}), &[]);
        check(Value::Null, &[]);
    }

    #[test]
    fn without_a_port_of_its_own_every_port_of_its_containers_is_scraped() {
        check(
            json!({"prometheus.io/scrape": "true"}),
            &["http://10.0.0.7:8080/metrics", "http://10.0.0.7:9090/metrics"],
        );
    }

    #[test]
    fn what_makes_no_address_is_a_problem() {
        for (name, value, want) in [
            ("port", "http", "`prometheus.io/port` is `http`, which is no port"),
            ("port", "0", "`prometheus.io/port` is `0`, which is no port"),
            ("scheme", "file", "`prometheus.io/scheme` is `file`, neither http nor https"),
        ] {
            let mut annotations =
                json!({"prometheus.io/scrape": "true", "prometheus.io/port": "1"});
            annotations[format!("prometheus.io/{name}")] = value.into();
            check(annotations, &[want]);
        }
        let none = pod(json!({"prometheus.io/scrape": "true"}), |pod| {
            pod["spec"]["containers"] = json!([{"name": "c"}]);
        });
        assert_eq!(
            said(&none, None),
            ["it has neither `prometheus.io/port` nor a container with a port"]
        );
    }

    #[test]
    fn only_a_running_pod_is_scraped() {
        let annotations = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "1"});
        let with = |path: &str, value: Value| {
            pod(annotations.clone(), |pod| {
                let (parent, key) = path.rsplit_once('/').unwrap();
                pod.pointer_mut(parent).unwrap()[key] = value;
            })
        };
        for (path, value) in [
            ("/status/phase", json!("Pending")),
            ("/status/phase", json!("Succeeded")),
            ("/status/podIP", Value::Null),
            ("/metadata/deletionTimestamp", json!("2026-11-23T12:00:00Z")),
        ] {
            assert_eq!(said(&with(path, value), None), [""; 0], "{path}");
        }
        assert_eq!(
            said(&with("/status/podIP", json!("fd00::1")), None),
            [
                "http://[fd00::1]:1/metrics {instance=\"[fd00::1]:1\",job=\"api\",namespace=\"shop\",node=\"n1\",pod=\"api-1\"}"
            ]
        );
    }

    #[test]
    fn the_job_is_what_the_pod_calls_its_application() {
        let annotations = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "1"});
        let job = |labels: Value, job: Option<&str>| {
            let said =
                said(&pod(annotations.clone(), |pod| pod["metadata"]["labels"] = labels), job);
            said[0].split("job=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        assert_eq!(job(json!({"app": "api"}), None), "api");
        assert_eq!(
            job(json!({"app": "api", "app.kubernetes.io/name": "checkout"}), None),
            "checkout"
        );
        assert_eq!(job(json!({"tier": "web"}), None), "scrape");
        assert_eq!(job(json!({"app": "api"}), Some("j")), "j");
    }

    /// Steps of a watch, and the pods whose targets are followed after them.
    #[track_caller]
    fn check_followed(steps: Vec<Step<Pod>>, want: &[u16]) {
        let (targets, _seen) = testing::followed_by_nobody(OpenFiles::of(10_000));
        let wanted = PodTargets { selector: LabelSelector::parse("app=api").unwrap(), job: None };
        let mut discovery = PodDiscovery::new(vec![wanted], targets.clone(), Relabel::default());
        for step in steps {
            assert_eq!(discovery.step(&step), []);
        }
        let want: Vec<String> =
            want.iter().map(|port| format!("http://10.0.0.7:{port}/metrics")).collect();
        assert_eq!(targets.followed(), want);
    }

    fn numbered(port: u16, change: impl FnOnce(&mut Value)) -> Pod {
        let annotations =
            json!({"prometheus.io/scrape": "true", "prometheus.io/port": port.to_string()});
        pod(annotations, |pod| {
            pod["metadata"]["uid"] = port.to_string().into();
            change(pod);
        })
    }

    fn same(_: &mut Value) {}

    fn asked_to_go(pod: &mut Value) {
        pod["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z".into();
    }

    #[tokio::test]
    async fn targets_follow_the_watch_of_pods() {
        let listed = || {
            let all = [1, 2, 3].map(|port| Step::Listed(numbered(port, same)));
            [Step::List].into_iter().chain(all).chain([Step::ListDone]).collect::<Vec<_>>()
        };
        let then = |more: Vec<Step<Pod>>| listed().into_iter().chain(more).collect();
        check_followed(listed(), &[1, 2, 3]);
        check_followed(then(vec![Step::Changed(numbered(4, same))]), &[1, 2, 3, 4]);
        check_followed(then(vec![Step::Deleted(numbered(2, same))]), &[1, 3]);
        check_followed(then(vec![Step::Changed(numbered(2, asked_to_go))]), &[1, 3]);
        // After a watch that broke: those that are not in the new list are gone.
        let again = vec![Step::List, Step::Listed(numbered(3, same)), Step::ListDone];
        check_followed(then(again), &[3]);
        // A pod that is no longer meant.
        let renamed = numbered(2, |pod| pod["metadata"]["labels"]["app"] = "web".into());
        check_followed(then(vec![Step::Changed(renamed)]), &[1, 3]);
    }

    #[tokio::test]
    async fn a_problem_is_said_when_it_is_new() {
        let (targets, _seen) = testing::followed_by_nobody(OpenFiles::of(10_000));
        let wanted = PodTargets { selector: LabelSelector::parse("app=api").unwrap(), job: None };
        let mut discovery = PodDiscovery::new(vec![wanted], targets, Relabel::default());
        let bad = numbered(0, same);
        let want = Seen::DiscoveryFailed {
            address: "pods app=api".to_owned(),
            why: "pod `api-1`: `prometheus.io/port` is `0`, which is no port".to_owned(),
        };
        assert_eq!(discovery.step(&Step::Changed(bad.clone())), [want]);
        assert_eq!(discovery.step(&Step::Changed(bad)), []);
    }
}
