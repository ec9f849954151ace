"""What a release consists of: locked packages and their licenses, the bill of materials, artifacts, the bundle."""
