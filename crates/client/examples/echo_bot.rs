//! A bot that repeats messages.
//!
//! ```text
//! cargo run -p tcp-chat-client --example echo_bot -- localhost 3000 certs/ca.pem
//! ```
//!
//! It answers messages that begin with `echo `, in rooms and directly, continues after a restart of the server,
//! and ends with Ctrl-C.

use tcp_chat_client::{Conversation, Error, Event, Session, To, Trust};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(host), Some(port), Some(ca)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: echo_bot HOST PORT CA-FILE".into());
    };
    let builder = Session::builder(host, port.parse()?, Trust::ca_file(ca)?).name("echo");
    let (session, mut events) = builder.connect().await?;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::Message(message)) if !message.own => {
                    let Some(text) = message.text().strip_prefix("echo ") else { continue };
                    let to = match &message.conversation {
                        Conversation::Room(room) => To::Room(room.clone()),
                        Conversation::With(user) => To::User(user.clone()),
                    };
                    // Returns when the server has kept the message, or has refused it.
                    match session.send(to, text).await {
                        Ok(sent) => println!("answered as message {}", sent.seq),
                        Err(Error::Refused { kind, msg, .. }) => println!("refused ({kind}): {msg:?}"),
                        Err(e) => return Err(e.into()),
                    }
                }
                Some(Event::Reconnecting { wait, .. }) => println!("lost the server, again in {wait:?}"),
                Some(Event::Resumed { caught_up }) => println!("back; {caught_up} messages were missed and are here"),
                Some(Event::Ended(why)) => return Err(why.into()),
                Some(_) => {}
                None => return Ok(()),
            },
            _ = tokio::signal::ctrl_c() => {
                session.quit().await;
                return Ok(());
            }
        }
    }
}
