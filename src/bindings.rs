//! Writes down where telephones are, so that they ring at once after a restart.
//!
//! What is written is the newest of each telephone: a database that is slow or away is caught up with, not queued for.

use std::collections::BTreeMap;
use std::time::Duration;

use linecard_calls::DeviceId;
use linecard_store::Store;
use linecard_store::phones::KeptBinding;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::wall_clock;

/// How long to wait after the database refused.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The sending side.
#[derive(Debug, Clone)]
pub(crate) struct BindingKeeper(mpsc::UnboundedSender<(DeviceId, Vec<KeptBinding>)>);

impl BindingKeeper {
    /// Starts the writer, which ends when the last sender is gone and all is written.
    pub(crate) fn start(store: Store) -> (Self, JoinHandle<()>) {
        let (sender, queue) = mpsc::unbounded_channel();
        (Self(sender), tokio::spawn(write(store, queue)))
    }

    /// Has all bindings of a telephone written down.
    pub(crate) fn keep(&self, device: DeviceId, bindings: Vec<KeptBinding>) {
        let _ = self.0.send((device, bindings));
    }
}

async fn write(store: Store, mut queue: mpsc::UnboundedReceiver<(DeviceId, Vec<KeptBinding>)>) {
    let mut waiting: BTreeMap<DeviceId, Vec<KeptBinding>> = BTreeMap::new();
    loop {
        if waiting.is_empty() {
            match queue.recv().await {
                Some((device, bindings)) => waiting.insert(device, bindings),
                None => return,
            };
        }
        while let Ok((device, bindings)) = queue.try_recv() {
            waiting.insert(device, bindings);
        }
        let phones: Vec<_> = std::mem::take(&mut waiting).into_iter().collect();
        if let Err(error) = store.keep_bindings(&phones, wall_clock()).await {
            tracing::debug!(%error, "where telephones are cannot be written down now");
            waiting.extend(phones);
            tokio::time::sleep(RETRY_AFTER).await;
            if queue.is_closed() {
                return;
            }
        }
    }
}
