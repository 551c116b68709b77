//! What is counted of the policies that are evaluated without acting; nothing is registered before it occurs.

use super::{Metrics, families};

impl Metrics {
    /// What was done with a request, and what the shadow's policies would have done.
    pub fn shadow_decision(&self, active: &'static str, shadow: &'static str) {
        let register = || metrics::counter!(families::SHADOW_DECISIONS, "active" => active, "shadow" => shadow);
        self.shadow.of(&format!("{active} {shadow}"), || self.register(register)).increment(1);
    }

    /// What was said to storing an answer, and what the shadow's policies say; how their lifetime compares.
    pub fn shadow_stored(&self, active: &'static str, shadow: &'static str, lifetime: &'static str) {
        let register =
            || metrics::counter!(families::SHADOW_STORED, "active" => active, "shadow" => shadow, "lifetime" => lifetime);
        self.shadow.of(&format!("{active} {shadow} {lifetime}"), || self.register(register)).increment(1);
    }
}
