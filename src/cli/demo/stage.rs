//! What a demo plays on: the scenario of Open Finance Brasil, or the cases of any policy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::time::{Clock, SystemClock};
use crate::sandbox::clock::WorldClock;
use crate::sandbox::regime::Regime;
use crate::sandbox::scenario::{self, Outcome};
use crate::sandbox::{SandboxError, World, world};

/// A world with what is to be sent.
pub(super) enum Stage {
    Scenario(Box<World>),
    Regime(Box<Regime>),
}

impl Stage {
    /// Makes a world in a directory that exists, and the clock of the proxy over it.
    pub(super) async fn set(
        home: &Path,
        port: u16,
        policy: Option<&str>,
    ) -> Result<(Self, Arc<dyn Clock>), SandboxError> {
        Ok(match policy {
            None => {
                let world = World::create(home, port, Arc::new(SystemClock)).await?;
                (Self::Scenario(Box::new(world)), Arc::new(SystemClock))
            }
            Some(pack) => {
                let clock = Arc::new(WorldClock::default());
                let regime = Regime::create(home, port, pack, Arc::clone(&clock)).await?;
                (Self::Regime(Box::new(regime)), clock)
            }
        })
    }

    pub(super) fn world(&self) -> &World {
        match self {
            Self::Scenario(world) => world,
            Self::Regime(regime) => regime.world(),
        }
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.world().configuration()
    }

    pub(super) async fn play(&self, proxy: SocketAddr) -> Result<Vec<Outcome>, SandboxError> {
        match self {
            Self::Scenario(world) => scenario::play(world, proxy).await,
            Self::Regime(regime) => regime.play(proxy).await,
        }
    }

    /// Cases that were not played.
    pub(super) fn left_out(&self) -> usize {
        match self {
            Self::Scenario(_) => 0,
            Self::Regime(regime) => regime.left_out(),
        }
    }

    /// Writes the visitor's request anew, so that its times are the present's.
    pub(super) fn renew_visitor_request(&self) -> Result<(), SandboxError> {
        match self {
            Self::Scenario(world) => world.renew_visitor_request(),
            Self::Regime(regime) => regime.renew_visitor_request(),
        }
    }

    /// The command that sends the visitor's request.
    pub(super) fn curl(&self, base: &str) -> String {
        let file = |path: &str| quoted(&self.world().path(path).display().to_string());
        let identity = match self {
            Self::Regime(regime) if !regime.visitor_has_certificate() => String::new(),
            _ => format!(
                " --cert {} --key {}",
                file(&format!("{}.pem", world::VISITOR_IDENTITY)),
                file(&format!("{}.key", world::VISITOR_IDENTITY))
            ),
        };
        let headers = match self {
            Self::Scenario(_) => "-H 'Content-Type: application/json'".to_owned(),
            Self::Regime(_) => format!("-H @{}", file(world::VISITOR_HEADERS)),
        };
        format!(
            "curl --cacert {}{identity} {headers} --data @{} {base}/register",
            file(world::SERVER_ROOT_FILE),
            file(world::VISITOR_REQUEST),
        )
    }
}

/// For a shell; as it is when nothing in it is special.
pub(super) fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted("/tmp/a-b_c.pem"), "/tmp/a-b_c.pem");
        assert_eq!(quoted("/tmp/it's here"), r"'/tmp/it'\''s here'");
    }
}
