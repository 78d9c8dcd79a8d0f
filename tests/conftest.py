"""What several tests share. Nothing here needs a network or anything outside the repository."""

import hypothesis

# Machines that run tests are busy: how long an example takes says nothing.
hypothesis.settings.register_profile("mico", deadline=None)
hypothesis.settings.load_profile("mico")
