"""Images that are there, and the holder's, which is made where it is missing."""

from runnerhub.adapters.docker import answers, pause
from runnerhub.adapters.docker.base import INFO_SECONDS, is_image
from runnerhub.adapters.docker.pulls import Pulls
from runnerhub.ports.engine import HolderImage, ImageConfig
from runnerhub.ports.errors import EngineRefused, ImageMissing


class Images(Pulls):
    """The images of an engine."""

    async def holder_image(self) -> HolderImage:
        """Return an image whose container idles, imported where it is missing."""
        if not await self.has_image(pause.IMAGE):
            architecture = str((await self._ask("GET", "info", INFO_SECONDS)).get("Architecture"))
            if architecture not in pause.ARCHITECTURES:
                raise EngineRefused(f"there is no holder for engines of {architecture}")
            await self.import_image(pause.IMAGE, pause.root_file_system(architecture))
        return HolderImage(pause.IMAGE, pause.COMMAND)

    async def image_config(self, image: str) -> ImageConfig:
        """Return what an image runs by itself."""
        found = await self._find(f"images/{image}/json") if is_image(image) else None
        if found is None:
            raise ImageMissing(f"No such image: {image}")
        return answers.image_config(found)

    async def has_image(self, image: str) -> bool:
        """Tell whether an image is present."""
        return is_image(image) and await self._find(f"images/{image}/json") is not None
