//! The flags of a fleet of client identities.

use clap::Args;
use shakedown::scenario::{Draw, EventSection, FleetSection, Scenario};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Fleet of identities")]
pub struct FleetArgs {
    /// Client identities by the thousand: a folder or pattern of certificates, a CSV manifest,
    /// mint:COUNT[,ca=FILE,ca-key=FILE,seed=N,key=ALG,chain=N,validity=TIME,san=KIND:NAME], or spiffe or
    /// spiffe:unix:///SOCKET for those of a SPIFFE agent (needs a build with --features spiffe)
    #[arg(long, value_name = "SOURCE", value_parser = FleetSection::parse, conflicts_with = "cert")]
    fleet: Option<FleetSection>,

    /// Which identity comes next: round-robin, sticky (one session each) or zipf:EXPONENT
    /// [default: round-robin]
    #[arg(long, value_name = "HOW")]
    fleet_draw: Option<Draw>,

    /// Identities that each worker keeps loaded [default: 16384]
    #[arg(long, value_name = "N")]
    fleet_cache: Option<usize>,

    /// Something that happens during each trial, e.g. drop:at=10s,share=0.5 or renew:at=5s,over=20s; repeatable
    /// (renew, revoke, expire, drop; docs/fleets.md)
    #[arg(long = "event", value_name = "KIND:KEY=VALUE,…", value_parser = EventSection::parse)]
    events: Vec<EventSection>,
}

impl FleetArgs {
    pub(crate) fn apply(&self, scenario: &mut Scenario) {
        if !self.events.is_empty() {
            scenario.events.clone_from(&self.events);
        }
        if let Some(fleet) = &self.fleet {
            let old = scenario.fleet.take().unwrap_or_default();
            scenario.fleet = Some(FleetSection {
                draw: old.draw,
                cache: old.cache,
                ..fleet.clone()
            });
        }
        if self.fleet_draw.is_some() || self.fleet_cache.is_some() {
            let fleet = scenario.fleet.get_or_insert_default();
            fleet.draw = self.fleet_draw.unwrap_or(fleet.draw);
            fleet.cache = self.fleet_cache.or(fleet.cache);
        }
    }
}
