//! What happens at one node is seen at another.
