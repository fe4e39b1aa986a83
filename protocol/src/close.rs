//! Why a socket was closed. The range of a code tells even an old client what to do next:
//! 4000–4499 connect again, 4500–4999 stay away; standard codes mean what RFC 6455 and its registry say.

macro_rules! close_codes {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $reason:literal;)*) => {
        /// A close code this server sends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum CloseCode {
            $($(#[$meta])* $name = $code,)*
        }

        impl CloseCode {
            /// Every close code this server sends.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number in the close frame.
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// The reason in the close frame.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason,)* }
            }
        }
    };
}

close_codes! {
    /// The client said goodbye, or asked for nothing more.
    Normal = 1000, "bye";
    /// The bytes break WebSocket or the structure of frames.
    Protocol = 1002, "frames are broken";
    /// Text on a MessagePack socket, or the other way round.
    WrongData = 1003, "wrong codec for this socket";
    /// The first frame was not `hello`, or came too late.
    Policy = 1008, "say hello first";
    /// A frame is longer than the limit in `welcome`.
    TooBig = 1009, "frame too big";
    /// The server restarts: come back after the delay of `go_away`.
    Restart = 1012, "server restarts";
    /// The server takes no more connections just now.
    Overloaded = 1013, "too many connections";
    /// The token ran out: come back with a new one.
    TokenExpired = 4401, "token expired";
    /// Nothing was heard for too long.
    Idle = 4408, "nothing heard";
    /// The client reads too slowly: come back and resume.
    TooSlow = 4413, "reads too slowly";
    /// The token is not valid here: do not come back with it.
    Forbidden = 4503, "token not accepted";
}

impl CloseCode {
    /// Whether a client should connect again after a close with `code`, whoever named it.
    pub const fn reconnects(code: u16) -> bool {
        !matches!(code, 1000 | 1002 | 1003 | 1007 | 1008 | 1009 | 1010 | 4500..=4999)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_a_code_says_whether_to_come_back() {
        let back: Vec<u16> = CloseCode::ALL
            .iter()
            .map(|code| code.number())
            .filter(|code| CloseCode::reconnects(*code))
            .collect();
        assert_eq!(back, [1012, 1013, 4401, 4408, 4413]);
        assert!(CloseCode::reconnects(1006), "a connection that broke is worth another");
    }
}
