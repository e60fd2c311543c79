from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0027_announcement_values'),
    ]

    operations = [
        migrations.AddField(
            model_name='webhook',
            name='purposes',
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name='webhook',
            name='tags',
            field=models.JSONField(default=list),
        ),
    ]
