from tests.template.conftest import resources, template

__all__ = ["resources", "template"]
