//! One TCP connection, from accept to close: TLS, greeting, traffic.
//!
//! Everything that can go wrong with a peer ends here: in a log line and a closed socket,
//! never further up.

mod greeting;
mod paced;
mod traffic;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ferry_shared::{
    binding::{Exported, LOGIN_LABEL, SEAL_LABEL},
    feature::Features,
    frame::Phase,
    link::{LinkReader, LinkWriter},
    socket::BurstStream,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{Span, field::Empty};

use self::paced::PacedStream;
use crate::{
    admission::Ticket, audit::event::Event, bandwidth::Pace, command::Conversation, context::Context, gate::Gate,
    session::Session,
};

/// Plain bytes rustls takes before it wants to write: a whole chunk of ours.
const TLS_BUFFER: usize = 1 << 20;
/// How long, and for how many bytes, a closed peer's last words are read away, so that
/// closing does not reset the connection before it has read our last word.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 << 20;

/// How long a connection whose session is over has to take the word that it is.
const FAREWELL: Duration = Duration::from_secs(5);

type Tls = TlsStream<PacedStream<BurstStream>>;

/// What binds proofs to one TLS connection.
#[derive(Debug, Default)]
struct Bindings {
    login: Exported,
    seal: Exported,
}

/// A peer whose greeting went through.
#[derive(Debug)]
struct Admitted {
    session: Arc<Session>,
    gate: Gate,
    /// What both sides know beyond the first version.
    features: Features,
    _presence: crate::user_state::Presence,
}

/// Serves one connection until it ends.
#[tracing::instrument(level = "error", name = "connection", skip_all, fields(%peer, session = Empty, user = Empty))]
pub(crate) async fn serve(tcp: TcpStream, peer: SocketAddr, ticket: Ticket, context: Arc<Context>) {
    let pace = Arc::new(Pace::new(Arc::clone(&context.bandwidth)));
    let entering = async {
        let (tls, exported) = handshake(tcp, &pace, &context).await?;
        let (read, write) = tokio::io::split(tls);
        let mut reader = LinkReader::new(read, context.pool.clone());
        let mut writer = LinkWriter::new(write);
        let admitted = greeting::greet(&mut reader, &mut writer, peer, &ticket, &context, &exported).await;
        Some((reader, writer, admitted))
    };
    let entered = tokio::select! {
        entered = entering => entered,
        () = ticket.dropped() => {
            tracing::debug!("dropped: too many connections not yet logged in");
            None
        }
        () = context.stop.cancelled() => None,
    };
    let Some((mut reader, mut writer, admitted)) = entered else { return };
    if let Some(Admitted { session, gate, features, _presence }) = admitted {
        ticket.logged_in();
        // On every line of this connection from now on.
        Span::current().record("session", session.id).record("user", session.user.name.as_str());
        let (method, key) = session.method();
        tracing::info!(method, key, "logged in");
        reader.set_phase(Phase::LoggedIn);
        pace.log_in(Arc::clone(&session.user.bandwidth));
        let listed = context.live.enter(Arc::clone(&session), peer, reader.meter(), writer.meter());
        let shut = gate.shut();
        if session.is_first() {
            context.audit.note(listed.wire.who(), Event::Login { method, key }).await;
        }
        let conversation = Conversation::new(Arc::clone(&context), session, gate)
            .with_features(features)
            .seen_as(Arc::clone(&listed.wire));
        tokio::select! {
            () = traffic::run(&mut reader, &mut writer, conversation, &pace, &context) => {}
            () = context.stop.cancelled() => {}
            // Who was sent away and does not read that is cut.
            () = async { shut.cancelled().await; sleep(FAREWELL).await } => {}
        }
        drop(listed);
        tracing::info!(received = reader.received(), sent = writer.sent(), "closed");
    }
    if timeout(LINGER, writer.close()).await.is_ok_and(|closed| closed.is_ok()) {
        linger(reader.into_inner()).await;
    }
}

/// TLS, and the bytes that bind a login to it.
async fn handshake(tcp: TcpStream, pace: &Arc<Pace>, context: &Context) -> Option<(Tls, Bindings)> {
    let acceptor = TlsAcceptor::from(context.identity.server_config());
    let stream = PacedStream::new(BurstStream::new(tcp, context.pool.clone()), Arc::clone(pace));
    match timeout(context.config.get().login.handshake(), acceptor.accept(stream)).await {
        Ok(Ok(mut tls)) => {
            let session = tls.get_mut().1;
            session.set_buffer_limit(Some(TLS_BUFFER));
            let export = |label| session.export_keying_material(Exported::default(), label, None);
            match export(LOGIN_LABEL).and_then(|login| Ok(Bindings { login, seal: export(SEAL_LABEL)? })) {
                Ok(bindings) => Some((tls, bindings)),
                Err(error) => {
                    tracing::error!(%error, "TLS exports no keys");
                    None
                }
            }
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("TLS handshake took too long");
            None
        }
    }
}

async fn linger(mut stream: impl AsyncRead + Unpin) {
    let mut scratch = [0; 4096];
    let mut left = LINGER_BYTES;
    let reading = async {
        while let Ok(count @ 1..) = stream.read(&mut scratch).await {
            left = left.saturating_sub(count);
            if left == 0 {
                break;
            }
        }
    };
    // Running out of patience is the point here, not a fault.
    let _ = timeout(LINGER, reading).await;
}
