//! The door of ferry's own protocol: one connection from TLS over greeting and traffic to the close.
//!
//! Every fault of a peer ends here, in a log line and a closed socket; it never spreads further.

mod greeting;
mod traffic;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use ferry_shared::{
    binding::{Exported, LOGIN_LABEL, SEAL_LABEL},
    frame::Phase,
    link::{LinkReader, LinkWriter},
    message::Reply,
    socket::BurstStream,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::TcpStream,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    admission::Ticket, bandwidth::Pace, command::Conversation, context::Context, login::Admitted, paced::PacedStream,
    refusal, turned_away::Reason,
};

/// Plain bytes that rustls buffers before it writes: one whole chunk of the server's.
const TLS_BUFFER: usize = 1 << 20;
/// How long, and for how many bytes, the last input of a peer is read and dropped: otherwise closing would reset
/// the connection before the peer has read the server's last reply.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 << 20;

/// How long a connection whose session is over has for receiving that notice.
const FAREWELL: Duration = Duration::from_secs(5);

type Tls = TlsStream<PacedStream<BurstStream>>;

/// The values that bind proofs to one TLS connection.
#[derive(Debug, Default)]
struct Bindings {
    login: Exported,
    seal: Exported,
}

/// Tells a connection that is not served the reason, in terms of the protocol if it gets that far: `why`, or that
/// the server speaks only to clients that know its seal.
pub(crate) async fn turn_away(tcp: TcpStream, context: &Context, why: &str) {
    let pace = Arc::new(Pace::new(Arc::clone(&context.bandwidth)));
    let Ok((tls, exported)) = handshake(tcp, &pace, context).await else { return };
    let (read, write) = tokio::io::split(tls);
    let (mut reader, mut writer) = (LinkReader::new(read, context.pool.clone()), LinkWriter::new(write));
    let is_sealed = !context.seal.is_demanded() || greeting::knows_the_seal(&mut reader, context, &exported).await;
    let refusal = if is_sealed { refusal::busy(why) } else { refusal::unsealed() };
    if writer.send(&Reply::Refused(refusal)).await.is_ok() && writer.close().await.is_ok() {
        linger(reader.into_inner()).await;
    }
}

/// Serves one connection until it ends. The TLS handshake must be complete by the deadline.
pub(crate) async fn serve(tcp: TcpStream, peer: SocketAddr, ticket: Ticket, deadline: Instant, context: Arc<Context>) {
    let pace = Arc::new(Pace::new(Arc::clone(&context.bandwidth)));
    let shaken = tokio::select! {
        shaken = timeout_at(deadline, handshake(tcp, &pace, &context)) => shaken,
        reason = ticket.dropped() => return context.turned_away.dropped(reason, peer),
        () = context.stop.cancelled() => return,
    };
    let (tls, exported) = match shaken {
        Ok(Ok(shaken)) => shaken,
        Ok(Err(error)) => {
            if context.turned_away.count(Reason::Handshake) {
                tracing::info!(%error, "turned away: TLS handshake failed");
            }
            return;
        }
        Err(_) => return context.turned_away.too_slow(peer),
    };
    ticket.shook_hands();
    let (read, write) = tokio::io::split(tls);
    let (mut reader, mut writer) = (LinkReader::new(read, context.pool.clone()), LinkWriter::new(write));
    let admitted = tokio::select! {
        admitted = greeting::greet(&mut reader, &mut writer, peer, &ticket, &context, &exported) => admitted,
        () = context.stop.cancelled() => return,
    };
    if let Some((Admitted { session, gate, presence: _presence, .. }, features)) = admitted {
        reader.set_phase(Phase::LoggedIn);
        pace.log_in(Arc::clone(&session.user.bandwidth));
        let listed = context.connections.enter(session, peer, reader.meter(), writer.meter());
        let shut = gate.shut();
        let conversation =
            Conversation::new(Arc::clone(&context), Arc::clone(&listed.connection), gate).with_features(features);
        tokio::select! {
            () = traffic::run(&mut reader, &mut writer, conversation, &pace, &context) => {}
            () = context.stop.cancelled() => {}
            // Close a client that does not read its farewell in time.
            () = async { shut.cancelled().await; sleep(FAREWELL).await } => {}
        }
        drop(listed);
        tracing::info!(received = reader.received(), sent = writer.sent(), "closed");
    }
    let is_closed = timeout(LINGER, writer.close()).await.is_ok_and(|closed| closed.is_ok());
    // A dropped connection makes room for others at once.
    if is_closed && !ticket.is_dropped() {
        linger(reader.into_inner()).await;
    }
}

/// The TLS handshake, and the values that bind a login to it.
async fn handshake(tcp: TcpStream, pace: &Arc<Pace>, context: &Context) -> io::Result<(Tls, Bindings)> {
    let acceptor = TlsAcceptor::from(context.identity.server_config());
    let stream = PacedStream::new(BurstStream::new(tcp, context.pool.clone()), Arc::clone(pace));
    let mut tls = acceptor.accept(stream).await?;
    let session = tls.get_mut().1;
    session.set_buffer_limit(Some(TLS_BUFFER));
    let export = |label| session.export_keying_material(Exported::default(), label, None).map_err(io::Error::other);
    let bindings = Bindings { login: export(LOGIN_LABEL)?, seal: export(SEAL_LABEL)? };
    Ok((tls, bindings))
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
    // The timeout is expected here; it is not a fault.
    let _ = timeout(LINGER, reading).await;
}
