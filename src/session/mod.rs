//! What an exchange or a close comes to on a session, told alike to load, probe and audit.
//!
//! Below it protocols know no TLS, and TLS no protocol; here what one saw explains the other.

use tokio::time::error::Elapsed;

use crate::protocol::{Next, ProtocolError};
use crate::stats::{FailureClass, Stage};
use crate::tls::{Failure, SessionStream, explain, remarked, timed_out};

/// Judges an exchange that was made within `limit`, or not.
///
/// # Errors
///
/// Fails with the class of what went wrong, once what the server still has to say about it was read.
pub async fn judge<S: SessionStream>(
    stream: &mut S,
    exchanged: Result<Result<Next, ProtocolError>, Elapsed>,
    stage: Stage,
    limit: std::time::Duration,
) -> Result<Next, Failure> {
    match exchanged {
        Ok(Ok(next)) => Ok(next),
        Ok(Err(ProtocolError::Answer { class, message })) => {
            Err(remarked(stream, (class, message)))
        }
        Ok(Err(ProtocolError::Io(error))) => Err(explain(stream, error, stage, limit).await),
        Err(_) => Err(timed_out(stage, limit)),
    }
}

/// The failure of a session whose server closes, as it announced, with more exchanges to come.
pub fn closed_after(exchanges: u32) -> Failure {
    let times = if exchanges == 1 {
        "1 exchange".to_owned()
    } else {
        format!("{exchanges} exchanges")
    };
    (
        FailureClass::HttpClosed,
        format!("the server closed after {times}, as it announced; lower --exchanges"),
    )
}
