//! Whether a run may begin: not on what another run disturbs just now, and not on what one has
//! left behind.

use super::{ExperimentError, Setup};
use crate::{
    collect::cluster_address,
    hypothesis::model::Fault,
    store::{Claim, Holder, Lock},
};

/// Admits a run. What is returned is held for as long as it lasts; a placebo run holds nothing.
pub(super) async fn admit(setup: &Setup) -> Result<Option<Lock>, ExperimentError> {
    let Some(claim) = claim(setup).await? else {
        Lock::admit_placebo(&setup.store)?;
        return Ok(None);
    };
    let (run_id, hypothesis_name) = (setup.run_id.clone(), setup.hypothesis.name.clone());
    Ok(Some(Lock::admit(&setup.store, &Holder { run_id, hypothesis_name, claim })?))
}

/// What a run is about to disturb.
async fn claim(setup: &Setup) -> Result<Option<Claim>, ExperimentError> {
    let kill = match &setup.hypothesis.fault {
        Fault::KillPods(kill) => kill,
        Fault::Command(_) | Fault::Manifest(_) | Fault::Toxiproxy(_) => {
            return Ok(Some(Claim::Program));
        }
        Fault::None | Fault::Observe(_) => return Ok(None),
    };
    let Some(cluster) = &setup.hypothesis.sources.kubernetes else {
        return Err(ExperimentError::NoCluster);
    };
    let labels = kill.selector.known_labels();
    Ok(Some(Claim::Pods {
        cluster: cluster_address(cluster).await?,
        namespace: cluster.namespace.clone(),
        selector: kill.selector.to_string(),
        labels: labels.map(|(key, values)| (key.to_owned(), values.to_vec())).collect(),
    }))
}
