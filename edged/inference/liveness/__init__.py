"""Is a face of flesh? A network that knows prints and screens, and whether the face moves as a flat picture would."""
