//! Services, pods and nodes, played in rounds.
