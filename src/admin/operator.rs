//! What the operator may do with a running cache.

use std::net::SocketAddr;
use std::sync::Arc;

use super::order::{Order, OrderError, Report};
use crate::cache::store::{Memory, Withdrawal};
use crate::keyed::Keyed;

/// The operator's hand on the cache of one process.
pub struct Operator {
    memory: Arc<Memory>,
    keyed: Keyed,
}

impl Operator {
    /// For this store, whose keys and people are hashed so.
    #[must_use]
    pub fn new(memory: Arc<Memory>, keyed: Keyed) -> Self {
        Self { memory, keyed }
    }

    /// Withdraws stored responses, or counts them only, as the text of an order says.
    ///
    /// # Errors
    ///
    /// What is wrong with the order.
    pub(super) fn withdraw(&self, text: &[u8], client: SocketAddr) -> Result<Report, OrderError> {
        let order = Order::parse(text, &self.keyed)?;
        let is_counted = order.is_dry_run || matches!(order.what, Withdrawal::Url(_));
        let count = is_counted.then(|| self.memory.count(&order.what, &self.keyed));
        if !order.is_dry_run {
            self.memory.withdraw(&order.what, order.manner, &self.keyed);
        }
        let (what, manner, host) = (order.word(), order.manner, order.host());
        tracing::info!(%client, what, ?manner, dry_run = order.is_dry_run, host, count, "operator withdrew stored responses");
        Ok(order.report(count))
    }
}
