//! What the one handshake took on our side, step by step: time in crypto operations, and bytes.

use serde::Serialize;

use super::step::{Mark, Step as Told};
use crate::stats::{End, Entry, SessionLedger, Spent, Step, Work};
use crate::units::{counted, format_count, three_digits};

/// Time and bytes of a handshake, as we saw it. It was one and a cold one: caches and the provider's
/// random numbers were not warm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// The steps in which we did something or something came.
    pub steps: Vec<StepCost>,
    /// Time in rustls itself: state machine, codec, allocation.
    pub tls_us: f64,
    /// Time in calls to the socket.
    pub socket_us: f64,
    /// How often we had to wait for the server until our handshake was complete, TCP left aside.
    pub round_trips: u64,
}

/// What one step took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepCost {
    /// Its number, from 1 to 9.
    pub step: u8,
    /// Time in crypto operations.
    pub us: f64,
    /// These operations.
    pub operations: Vec<OperationCost>,
    /// TCP payload sent.
    pub bytes_sent: u64,
    /// TCP payload received.
    pub bytes_received: u64,
}

/// What one operation took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperationCost {
    /// Its name, as in a result's `anatomy`.
    pub operation: &'static str,
    /// The algorithm, where the ledger distinguishes it.
    pub algorithm: Option<&'static str>,
    /// Time, all times together.
    pub us: f64,
    /// How often it was done.
    pub count: u64,
}

impl Cost {
    /// Sorts a client's ledger by step.
    pub(super) fn of(ledger: &SessionLedger) -> Self {
        let work = |work| -> f64 {
            let of_work = ledger.entries.iter().filter(|(e, _)| e.work == work);
            of_work.map(|(_, spent)| us(spent.ns)).sum()
        };
        let steps = Step::ALL.into_iter().map(|step| StepCost::of(step, ledger));
        let took = |cost: &StepCost| {
            !cost.operations.is_empty() || cost.bytes_sent + cost.bytes_received > 0
        };
        Self {
            steps: steps.filter(took).collect(),
            tls_us: work(Work::Tls),
            socket_us: work(Work::Socket),
            round_trips: ledger.turns,
        }
    }

    /// Adds the lines of every step that was reached.
    pub(super) fn tell(&self, steps: &mut [Told; 9]) {
        for cost in &self.steps {
            let index = usize::from(cost.step).saturating_sub(1);
            if let Some(step) = steps.get_mut(index).filter(|s| s.mark != Mark::NotReached) {
                cost.tell(step);
            }
        }
    }

    /// All of it in a sentence.
    pub(super) fn summary(&self) -> String {
        let crypto: f64 = self.steps.iter().map(|step| step.us).sum();
        let all = crypto + self.tls_us + self.socket_us;
        format!(
            "{} µs of our time: {} in crypto operations, {} in rustls itself, {} in socket calls; {} after \
             TCP's until we had finished. It was one cold handshake; `shakedown anatomy` takes the median of many",
            three_digits(all),
            three_digits(crypto),
            three_digits(self.tls_us),
            three_digits(self.socket_us),
            counted(self.round_trips, "round trip")
        )
    }
}

impl StepCost {
    fn of(step: Step, ledger: &SessionLedger) -> Self {
        let of_step = |(entry, _): &&(Entry, Spent)| Step::of(End::Client, entry) == Some(step);
        let mut operations: Vec<OperationCost> = Vec::new();
        for (entry, spent) in ledger.entries.iter().filter(of_step) {
            let (operation, algorithm) = (entry.work.label(), entry.algorithm);
            let same =
                |o: &&mut OperationCost| (o.operation, o.algorithm) == (operation, algorithm);
            if let Some(known) = operations.iter_mut().find(same) {
                known.us += us(spent.ns);
                known.count += spent.count;
            } else {
                operations.push(OperationCost {
                    operation,
                    algorithm,
                    us: us(spent.ns),
                    count: spent.count,
                });
            }
        }
        let (mut sent, mut received) = (0, 0);
        for (place, flight) in ledger.flights.iter().enumerate() {
            if Step::of_flight(&ledger.flights, place) == step {
                *(if flight.sent {
                    &mut sent
                } else {
                    &mut received
                }) += flight.bytes;
            }
        }
        if step == Step::DATA {
            sent += ledger.data_sent;
            received += ledger.data_received;
        }
        Self {
            step: step.number(),
            us: operations.iter().map(|operation| operation.us).sum(),
            operations,
            bytes_sent: sent,
            bytes_received: received,
        }
    }

    fn tell(&self, step: &mut Told) {
        if !self.operations.is_empty() {
            let each: Vec<String> = (self.operations.iter()).map(ToString::to_string).collect();
            step.say(
                "our time",
                format!("{} µs: {}", three_digits(self.us), each.join(", ")),
            );
        }
        let ways = [(self.bytes_sent, "sent"), (self.bytes_received, "received")];
        let bytes: Vec<String> = (ways.into_iter().filter(|(bytes, _)| *bytes > 0))
            .map(|(bytes, way)| format!("{} {way}", format_count(bytes)))
            .collect();
        if !bytes.is_empty() {
            step.say("bytes", bytes.join(", "));
        }
    }
}

impl std::fmt::Display for OperationCost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.operation)?;
        if let Some(algorithm) = self.algorithm {
            write!(f, " {algorithm}")?;
        }
        if self.count > 1 {
            write!(f, " ×{}", self.count)?;
        }
        write!(f, " {}", three_digits(self.us))
    }
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{CryptoOp, Flight, Passage};

    #[test]
    fn time_and_bytes_are_sorted_by_step() {
        let entry = |op, algorithm, passage| Entry {
            work: Work::Crypto(op),
            algorithm,
            passage,
        };
        let spent = |ns, count| Spent { ns, count };
        let flight = |sent, bytes| Flight { sent, bytes };
        let ledger = SessionLedger {
            entries: vec![
                (
                    entry(CryptoOp::KxStart, Some("x25519"), Passage::Offer),
                    spent(9_000, 1),
                ),
                (entry(CryptoOp::Random, None, Passage::Offer), spent(500, 2)),
                (entry(CryptoOp::Seal, None, Passage::Proof), spent(700, 1)),
                (entry(CryptoOp::Seal, None, Passage::Data), spent(300, 1)),
            ],
            flights: vec![flight(true, 200), flight(false, 1_200), flight(true, 80)],
            data_sent: 64,
            data_received: 70,
            turns: 1,
        };
        let cost = Cost::of(&ledger);
        let found: Vec<_> = (cost.steps.iter())
            .map(|s| (s.step, s.us, s.bytes_sent, s.bytes_received))
            .collect();
        assert_eq!(
            found,
            [
                (1, 9.5, 200, 0),
                (2, 0.0, 0, 1_200),
                (8, 0.7, 80, 0),
                (9, 0.3, 64, 70)
            ]
        );
        let first = &cost.steps[0].operations;
        assert_eq!(first[0].to_string(), "kx_start x25519 9.00");
        assert_eq!(first[1].to_string(), "random ×2 0.50");
        assert!(cost.summary().contains("1 round trip after"));
    }
}
