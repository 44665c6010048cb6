//! The stream with an independent implementation as the peer: tungstenite.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use tcp_chat_websocket::{MESSAGE_BYTES, WebSocket, handshake};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, coding::CloseCode};
use tungstenite::{Error, Message};

type Client = tungstenite::WebSocket<TcpStream>;

/// Answers each line with the same line in capitals, until the client closes. Returns the protocol error, if any.
async fn echo(stream: TcpStream) -> Option<&'static str> {
    stream.set_nonblocking(true).unwrap();
    let mut socket = WebSocket::new(tokio::net::TcpStream::from_std(stream).unwrap(), Vec::new());
    let mut lines = BufReader::new(&mut socket).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let answer = format!("{}\n", line.to_uppercase());
        let socket = lines.get_mut().get_mut();
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.flush().await.unwrap();
    }
    let fault = socket.fault();
    socket.shutdown().await.unwrap();
    // Keeps the socket open until the client has read the Close frame.
    let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
    fault
}

/// The head of a request, up to its empty line.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A client after its handshake, and the server's thread.
fn pair() -> (Client, JoinHandle<Option<&'static str>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let head = head(&mut stream);
        let mut request = http::Request::get("/ws");
        for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let response = handshake::answer(&request.body(()).unwrap()).unwrap();
        let mut answer = "HTTP/1.1 101 Switching Protocols\r\n".to_owned();
        for (name, value) in response.headers() {
            answer += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(echo(stream))
    });
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "tcp-chat.1".parse().unwrap());
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let (client, response) = tungstenite::client(request, stream).unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "tcp-chat.1");
    (client, server)
}

fn close_code(client: &mut Client) -> CloseCode {
    loop {
        match client.read() {
            Ok(Message::Close(Some(frame))) => return frame.code,
            Ok(_) => {}
            Err(why) => panic!("no Close frame: {why}"),
        }
    }
}

/// Reads until the connection has ended in order, and drops it, because the server waits for that.
fn ended(mut client: Client) {
    loop {
        match client.read() {
            Ok(_) => {}
            Err(Error::ConnectionClosed) => return,
            Err(why) => panic!("{why}"),
        }
    }
}

#[test]
fn both_implementations_understand_each_other() {
    let (mut client, server) = pair();
    client.send(Message::text("one line\n")).unwrap();
    assert_eq!(client.read().unwrap(), Message::text("ONE LINE\n"));
    client.send(Message::text("two\nlines, ünfinished")).unwrap();
    let mut said = String::new();
    while said.matches('\n').count() < 2 {
        said += client.read().unwrap().to_text().unwrap();
    }
    assert_eq!(said, "TWO\nLINES, ÜNFINISHED\n");
    for length in [125, 126, 65_535, 65_536, 3 * MESSAGE_BYTES] {
        let line = "x".repeat(length - 1) + "\n";
        client.send(Message::text(&line)).unwrap();
        assert_eq!(client.read().unwrap(), Message::text(line.to_uppercase()), "{length}");
    }
    client.send(Message::Ping("there?".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("there?".into()));
    client.close(Some(CloseFrame { code: CloseCode::Away, reason: "bye".into() })).unwrap();
    ended(client);
    assert_eq!(server.join().unwrap(), None);
}

#[test]
fn fragments_and_pings_within_a_message_are_understood() {
    let (mut client, server) = pair();
    let part = |kind, is_last, text: &str| {
        Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(kind), is_last))
    };
    client.send(part(Data::Text, false, "in ")).unwrap();
    client.send(Message::Ping("between".into())).unwrap();
    client.send(part(Data::Continue, false, "")).unwrap();
    client.send(part(Data::Continue, true, "parts")).unwrap();
    let mut heard = [client.read().unwrap(), client.read().unwrap()];
    heard.sort_by_key(Message::is_text);
    assert_eq!(heard, [Message::Pong("between".into()), Message::text("IN PARTS\n")]);
    client.close(None).unwrap();
    ended(client);
    server.join().unwrap();
}

#[test]
fn the_peer_receives_the_code_of_its_protocol_error() {
    let (mut client, server) = pair();
    client.send(Message::text("fine\n")).unwrap();
    client.send(Message::binary(b"binary".to_vec())).unwrap();
    assert_eq!(close_code(&mut client), CloseCode::Unsupported);
    ended(client);
    assert_eq!(server.join().unwrap(), Some("a binary message"));

    let (mut client, server) = pair();
    client.get_mut().write_all(&[&b"\x89\xfe\0\x7e\0\0\0\0"[..], &[7; 126]].concat()).unwrap();
    assert_eq!(close_code(&mut client), CloseCode::Protocol);
    ended(client);
    assert!(server.join().unwrap().is_some());

    let (mut client, server) = pair();
    client.get_mut().write_all(b"\x81\x03hi\n").unwrap();
    assert_eq!(close_code(&mut client), CloseCode::Protocol);
    ended(client);
    assert_eq!(server.join().unwrap(), Some("a frame that is not masked"));
}
