//! A control plane as kube's client reaches it.

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::shared::Plane;

impl Plane {
    /// How its administrator reaches it.
    pub(crate) async fn config(&self) -> Config {
        let file = Kubeconfig::read_from(self.folder.join("kubeconfig")).expect("the script wrote it");
        Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.expect("it is good")
    }
}
