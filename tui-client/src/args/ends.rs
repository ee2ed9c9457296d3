//! The login flags for each end of a command with two ends.

use std::path::PathBuf;

use clap::Args;
use ferry_client::trust::Fingerprint;

use super::{Global, Login, ServerFlags};

/// The flags for the source.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct FromFlags {
    /// Read the password for the source from the first line of a file
    #[arg(long, value_name = "FILE")]
    from_password_file: Option<PathBuf>,
    /// Log in to the source with the key in this file
    #[arg(long, value_name = "FILE")]
    from_identity: Option<PathBuf>,
    /// The file with the secret of the source server
    #[arg(long, value_name = "FILE")]
    from_seal_file: Option<PathBuf>,
    /// Accept only this key of the source server
    #[arg(long, value_name = "SHA256:…")]
    from_server_key: Option<Fingerprint>,
}

/// The flags for the target.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ToFlags {
    /// Read the password for the target from the first line of a file
    #[arg(long, value_name = "FILE")]
    to_password_file: Option<PathBuf>,
    /// Log in to the target with the key in this file
    #[arg(long, value_name = "FILE")]
    to_identity: Option<PathBuf>,
    /// The file with the secret of the target server
    #[arg(long, value_name = "FILE")]
    to_seal_file: Option<PathBuf>,
    /// Accept only this key of the target server
    #[arg(long, value_name = "SHA256:…")]
    to_server_key: Option<Fingerprint>,
}

/// The flags of both ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends {
    /// The flags of the source.
    pub(crate) from: EndFlags,
    /// The flags of the target.
    pub(crate) to: EndFlags,
}

/// The flags of one end.
#[derive(Debug, Clone, Default)]
pub(crate) struct EndFlags {
    password_file: Option<PathBuf>,
    server: ServerFlags,
}

impl From<FromFlags> for EndFlags {
    fn from(flags: FromFlags) -> Self {
        let FromFlags { from_password_file, from_identity, from_seal_file, from_server_key } = flags;
        let server = ServerFlags { identity: from_identity, seal_file: from_seal_file, server_key: from_server_key };
        Self { password_file: from_password_file, server }
    }
}

impl From<ToFlags> for EndFlags {
    fn from(flags: ToFlags) -> Self {
        let ToFlags { to_password_file, to_identity, to_seal_file, to_server_key } = flags;
        let server = ServerFlags { identity: to_identity, seal_file: to_seal_file, server_key: to_server_key };
        Self { password_file: to_password_file, server }
    }
}

/// The settings that a site provides, so that they need no flags.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Saved {
    /// The key to log in with.
    pub(crate) identity: bool,
    /// The file with the server's secret.
    pub(crate) seal: bool,
    /// The only server key to accept.
    pub(crate) server_key: bool,
}

/// A flag without a prefix is ambiguous.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flag} could be meant for either server; say --from-{name} or --to-{name}", name = .flag.trim_start_matches('-'))]
pub(crate) struct Ambiguous {
    flag: &'static str,
}

impl EndFlags {
    /// The flags for the only server of a command: those of its end, otherwise those without a prefix.
    pub(crate) fn alone(&self, global: &Global) -> (Login, ServerFlags) {
        let Global { login, server, .. } = global;
        let own = &self.server;
        let server = ServerFlags {
            identity: own.identity.clone().or_else(|| server.identity.clone()),
            seal_file: own.seal_file.clone().or_else(|| server.seal_file.clone()),
            server_key: own.server_key.or(server.server_key),
        };
        let login = Login {
            password_file: self.password_file.clone().or_else(|| login.password_file.clone()),
            password_stdin: login.password_stdin && self.password_file.is_none(),
            accept_new: login.accept_new,
        };
        (login, server)
    }
}

impl Ends {
    /// The flags for each of two servers. A login, seal or key flag without a prefix goes to the one end that needs it,
    /// so a secret is never sent to the other; `--accept-new` applies to both.
    ///
    /// # Errors
    /// [`Ambiguous`] if both ends need it.
    pub(crate) fn split(
        &self,
        global: &Global,
        from: Saved,
        to: Saved,
    ) -> Result<[(Login, ServerFlags); 2], Ambiguous> {
        let Global { login, server, .. } = global;
        let [mut from_flags, mut to_flags] = [self.from.server.clone(), self.to.server.clone()];
        if let Some(file) = &server.identity {
            let needs = |flags: &ServerFlags, end: &EndFlags, saved: Saved| {
                flags.identity.is_none() && end.password_file.is_none() && !saved.identity
            };
            let needs = [needs(&from_flags, &self.from, from), needs(&to_flags, &self.to, to)];
            *one_of("--identity", needs, [&mut from_flags.identity, &mut to_flags.identity])? = Some(file.clone());
        }
        if let Some(file) = &server.seal_file {
            let needs = [from_flags.seal_file.is_none() && !from.seal, to_flags.seal_file.is_none() && !to.seal];
            *one_of("--seal-file", needs, [&mut from_flags.seal_file, &mut to_flags.seal_file])? = Some(file.clone());
        }
        if let Some(key) = server.server_key {
            let needs =
                [from_flags.server_key.is_none() && !from.server_key, to_flags.server_key.is_none() && !to.server_key];
            *one_of("--server-key", needs, [&mut from_flags.server_key, &mut to_flags.server_key])? = Some(key);
        }
        let logins = |end: &EndFlags| Login {
            password_file: end.password_file.clone(),
            password_stdin: false,
            accept_new: login.accept_new,
        };
        let [mut from_login, mut to_login] = [logins(&self.from), logins(&self.to)];
        if login.password_file.is_some() || login.password_stdin {
            let needs = |login: &Login, flags: &ServerFlags, saved: Saved| {
                login.password_file.is_none() && flags.identity.is_none() && !saved.identity
            };
            let needs = [needs(&from_login, &from_flags, from), needs(&to_login, &to_flags, to)];
            let flag = if login.password_stdin { "--password-stdin" } else { "--password-file" };
            let chosen = one_of(flag, needs, [&mut from_login, &mut to_login])?;
            (chosen.password_file, chosen.password_stdin) = (login.password_file.clone(), login.password_stdin);
        }
        Ok([(from_login, from_flags), (to_login, to_flags)])
    }
}

/// Returns the one of two ends that needs a value.
fn one_of<'a, T>(flag: &'static str, needs: [bool; 2], [from, to]: [&'a mut T; 2]) -> Result<&'a mut T, Ambiguous> {
    match needs {
        [true, false] => Ok(from),
        [false, true] => Ok(to),
        _ => Err(Ambiguous { flag }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(
        ends: &Ends,
        change: impl Fn(&mut Global),
        saved: [Saved; 2],
    ) -> Result<[(Login, ServerFlags); 2], Ambiguous> {
        let mut global = Global::default();
        change(&mut global);
        ends.split(&global, saved[0], saved[1])
    }

    #[test]
    fn a_flag_without_a_prefix_applies_to_the_end_that_needs_it() {
        let from = EndFlags { password_file: Some("a".into()), ..EndFlags::default() };
        let ends = Ends { from, to: EndFlags::default() };
        let password = |global: &mut Global| global.login.password_file = Some("b".into());
        let [(from, _), (to, _)] = split(&ends, password, [Saved::default(); 2]).unwrap();
        assert_eq!((from.password_file, to.password_file), (Some("a".into()), Some("b".into())));
        let key = Saved { identity: true, ..Saved::default() };
        let [(from, _), (to, _)] = split(&Ends::default(), password, [Saved::default(), key]).unwrap();
        assert_eq!((from.password_file, to.password_file), (Some("b".into()), None));
    }

    #[test]
    fn a_secret_that_either_end_could_need_is_sent_to_neither() {
        for change in [
            |global: &mut Global| global.login.password_file = Some("b".into()),
            |global: &mut Global| global.login.password_stdin = true,
            |global: &mut Global| global.server.identity = Some("k".into()),
            |global: &mut Global| global.server.seal_file = Some("s".into()),
        ] {
            assert!(split(&Ends::default(), change, [Saved::default(); 2]).is_err());
        }
        let both = [Saved { identity: true, seal: true, server_key: true }; 2];
        assert!(split(&Ends::default(), |global| global.login.password_file = Some("b".into()), both).is_err());
    }

    #[test]
    fn the_trust_in_new_servers_applies_to_both_ends() {
        let accept = |global: &mut Global| global.login.accept_new = true;
        let [(from, _), (to, _)] = split(&Ends::default(), accept, [Saved::default(); 2]).unwrap();
        assert!(from.accept_new && to.accept_new);
    }
}
