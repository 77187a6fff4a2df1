//! The kubeconfig that points `kubectl` and `kube` at the lab.

use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::LabError;

/// Writes `kubeconfig` into `dir`, whole or not at all, and returns its path.
pub(super) fn write(
    dir: &Utf8Path,
    server: &str,
    namespace: &str,
) -> Result<Utf8PathBuf, LabError> {
    let path = dir.join("kubeconfig");
    let failed = |source| LabError::Kubeconfig { path: path.clone(), source };
    fs_err::create_dir_all(dir).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    file.write_all(text(server, namespace).as_bytes()).map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(path)
}

fn text(server: &str, namespace: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster: {{server: \"{server}\"}}
users:
- name: lab
  user: {{}}
contexts:
- name: lab
  context: {{cluster: lab, user: lab, namespace: \"{namespace}\"}}
current-context: lab
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_as_a_kubeconfig() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap().join("new");
        let path = write(&dir, "http://127.0.0.1:9901", "shop").unwrap();
        let config = kube::config::Kubeconfig::read_from(&path).unwrap();
        assert_eq!(config.current_context.as_deref(), Some("lab"));
        let server = config.clusters[0].cluster.as_ref().unwrap().server.as_deref();
        assert_eq!(server, Some("http://127.0.0.1:9901"));
        let context = config.contexts[0].context.as_ref().unwrap();
        assert_eq!(context.namespace.as_deref(), Some("shop"));
    }
}
