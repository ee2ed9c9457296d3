//! Reads configuration, users and certificate again, and reports what changed, which changes need a restart,
//! and what is wrong.

use crate::{
    config::Change,
    control::Reread,
    drift::ReadConfig,
    identity::{Handed, Identity, IdentityError},
    seal,
    server::Server,
    service::ServiceManager,
    telemetry,
    users::{By, Users, moment::Moment},
};

use super::metrics_listener::MetricsListener;

/// The parts needed to read everything again.
pub(super) struct Rereading<'a> {
    pub(super) server: &'a Server,
    pub(super) read_config: ReadConfig,
    pub(super) metrics_listener: MetricsListener,
}

impl Rereading<'_> {
    /// Reads everything again; takes the certificate that was handed over, if there is one.
    pub(super) async fn all(&mut self, manager: &ServiceManager, by: By, handed: Option<Handed>) -> Reread {
        manager.reloading();
        let mut reread = Reread::default();
        match self.config(&mut reread.notes).await {
            Ok(changed) => reread.changed = changed,
            Err(fault) => {
                tracing::error!(error = fault, "the configuration in force stays");
                reread.faults.push(fault);
            }
        }
        let context = self.server.context();
        match users(&context.users, by).await {
            Ok(true) => reread.changed.push("users.json".to_owned()),
            Ok(false) => {}
            Err(fault) => reread.faults.push(fault),
        }
        match certificate(&context.identity, handed, &mut reread.notes).await {
            Ok(changed) => reread.changed.extend(changed),
            Err(fault) => {
                tracing::error!(error = fault, "the certificate in use stays");
                reread.faults.push(fault);
            }
        }
        context.drift.check_again();
        manager.ready();
        reread
    }

    /// Applies the configuration on disk; returns the settings that changed.
    async fn config(&mut self, notes: &mut Vec<String>) -> Result<Vec<String>, String> {
        let read_config = self.read_config.clone();
        let read = move || {
            let config = read_config().map_err(|error| error.to_string())?;
            let secret = seal::read(config.login.seal.as_deref()).map_err(|error| error.to_string())?;
            Ok::<_, String>((config, secret))
        };
        let (config, secret) = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())??;
        // Steps that can fail come first: either everything takes effect, or nothing.
        self.metrics_listener.move_to(self.server, config.metrics.listen).await.map_err(|error| error.to_string())?;
        let has_other_level = config.log.level != self.server.context().config.get().log.level;
        if has_other_level {
            notes.extend(telemetry::change(&config.log).map_err(|error| error.to_string())?);
        }
        let Change { now, waiting } = self.server.configure(config, secret).await;
        tracing::info!(changed = now.join("; "), "configuration read again");
        for key in waiting {
            let note = format!("{}.{} changed and takes effect at the next start", key.section, key.name);
            tracing::warn!("{note}");
            notes.push(note);
        }
        Ok(now)
    }
}

/// Reads the users again; returns whether they changed.
pub(super) async fn users(users: &Users, by: By) -> Result<bool, String> {
    let users = users.clone();
    match tokio::task::spawn_blocking(move || users.reload_and_log(by)).await {
        Ok(reloaded) => reloaded.map_err(|error| error.to_string()),
        Err(error) => {
            tracing::error!(%error, "reloading the users");
            Err(error.to_string())
        }
    }
}

/// Reads the certificate again, or takes the one that was handed over; returns a message if it changed.
async fn certificate(
    identity: &Identity,
    handed: Option<Handed>,
    notes: &mut Vec<String>,
) -> Result<Option<String>, String> {
    let renewed = identity.clone();
    let renew = move || {
        let mut stranger = None;
        let is_other = match handed.map(|handed| renewed.take(handed)) {
            Some(Err(error @ IdentityError::Stranger(_))) => {
                stranger = Some(error.to_string());
                renewed.reload()?
            }
            Some(taken) => taken?,
            None => renewed.reload()?,
        };
        Ok::<_, IdentityError>((is_other, stranger))
    };
    let renewed = tokio::task::spawn_blocking(renew).await.map_err(|error| error.to_string())?;
    let (is_other, stranger) = renewed.map_err(|error| error.to_string())?;
    notes.extend(stranger);
    let (fingerprint, term) = (identity.fingerprint(), identity.term());
    let until = term.as_ref().map(|term| term.until.to_string()).unwrap_or_default();
    tracing::info!(%fingerprint, until, is_other, "certificate read again");
    identity.remind();
    let warning = term.and_then(|term| term.warning(Moment::now()));
    notes.extend(warning.map(|warning| format!("the certificate {} {warning}", identity.certificate().display())));
    Ok(is_other.then(|| format!("the certificate, which is valid until {until} now")))
}
